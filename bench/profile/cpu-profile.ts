import { z } from 'zod'
import { CallFrame, sumByFunction, type CallNode, type FunctionShare } from './call-tree.js'

/** V8's CPU profile, as DevTools and VS Code open it from a `.cpuprofile`. */
export const CpuProfile = z.looseObject({
  nodes: z
    .array(z.looseObject({ id: z.number(), callFrame: CallFrame, children: z.array(z.number()).optional() }))
    .min(1),
  /** Microseconds. */
  startTime: z.number(),
  endTime: z.number(),
  /** Node ids. */
  samples: z.array(z.number()),
  /** Microseconds since the sample before, the first since the start. */
  timeDeltas: z.array(z.number()),
})
export type CpuProfile = z.infer<typeof CpuProfile>

/** Microseconds of a profile by function. */
export interface CpuSummary {
  readonly samples: number
  readonly elapsed: number
  /** The event loop waited. */
  readonly idle: number
  readonly collector: number
  /** Native code that no JavaScript had called. */
  readonly program: number
  /** The greatest `self` first; without what the fields above tell. */
  readonly functions: readonly FunctionShare[]
}

const IDLE = '(idle)'
const COLLECTOR = '(garbage collector)'
const PROGRAM = '(program)'
const ROOT = '(root)'

/** Sums a CPU profile up. A sample lasts until the next one. @throws when the profile contradicts itself */
export function summariseCpuProfile(profile: CpuProfile): CpuSummary {
  const { samples, timeDeltas, startTime, endTime } = profile
  const self = new Map<number, number>()
  let at = startTime
  samples.forEach((id, index) => {
    at += timeDeltas[index] ?? 0
    const lasted = index + 1 < samples.length ? (timeDeltas[index + 1] ?? 0) : endTime - at
    // Samples are not always in order.
    self.set(id, (self.get(id) ?? 0) + Math.max(0, lasted))
  })
  const all = sumByFunction(treeOf(profile, self))
  const ofPseudo = (name: string): number =>
    all.find(({ frame }) => frame.functionName === name && frame.url === '')?.self ?? 0
  const pseudo = new Set([IDLE, COLLECTOR, PROGRAM, ROOT])
  return {
    samples: samples.length,
    elapsed: endTime - startTime,
    idle: ofPseudo(IDLE),
    collector: ofPseudo(COLLECTOR),
    program: ofPseudo(PROGRAM),
    functions: all.filter(({ frame }) => frame.url !== '' || !pseudo.has(frame.functionName)),
  }
}

function treeOf({ nodes }: CpuProfile, self: ReadonlyMap<number, number>): CallNode {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const build = (id: number): CallNode => {
    const node = byId.get(id)
    if (node === undefined) throw new Error(`the profile has no node ${id}`)
    return { frame: node.callFrame, self: self.get(id) ?? 0, children: (node.children ?? []).map(build) }
  }
  // V8 lists the root first.
  const [root] = nodes
  if (root === undefined) throw new Error('the profile has no nodes')
  return build(root.id)
}
