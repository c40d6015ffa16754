import { z } from 'zod'
import { CallFrame, sumByFunction, type CallNode, type FunctionShare } from './call-tree.js'

interface HeapNode {
  readonly callFrame: CallFrame
  readonly selfSize: number
  readonly children: readonly HeapNode[]
}

const HeapNode: z.ZodType<HeapNode> = z.looseObject({
  callFrame: CallFrame,
  /** Bytes, scaled up from the samples by V8. */
  selfSize: z.number(),
  get children() {
    return z.array(HeapNode)
  },
})

/** V8's sampling heap profile, as DevTools opens it from a `.heapprofile`. */
export const HeapProfile = z.looseObject({ head: HeapNode })
export type HeapProfile = z.infer<typeof HeapProfile>

/** Bytes allocated, by function; the greatest `self` first. */
export interface HeapSummary {
  readonly allocated: number
  readonly functions: readonly FunctionShare[]
}

/** Sums a heap profile up: what each function allocated, whether or not it was freed since. */
export function summariseHeapProfile({ head }: HeapProfile): HeapSummary {
  const nodeOf = ({ callFrame, selfSize, children }: HeapNode): CallNode => ({
    frame: callFrame,
    self: selfSize,
    children: children.map(nodeOf),
  })
  const functions = sumByFunction(nodeOf(head))
  return { allocated: functions.reduce((sum, { self }) => sum + self, 0), functions }
}
