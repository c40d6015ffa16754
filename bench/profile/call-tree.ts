import { z } from 'zod'

/** Where V8 says a function begins; lines and columns from 0. */
export const CallFrame = z.object({
  functionName: z.string(),
  /** Of its file; '' for what is not JavaScript. */
  url: z.string(),
  lineNumber: z.number(),
  columnNumber: z.number(),
})
export type CallFrame = z.infer<typeof CallFrame>

/** A node of a call tree with what was spent in it alone: microseconds or bytes. */
export interface CallNode {
  readonly frame: CallFrame
  readonly self: number
  readonly children: readonly CallNode[]
}

/** A function, over all the ways by which it was called. */
export interface FunctionShare {
  readonly frame: CallFrame
  readonly self: number
  /** Of the gateway's own code: with native code, Node's internals and packages that it calls; else 0. */
  readonly attributed: number
  /** With all that it calls; what calls itself counts once. */
  readonly inclusive: number
  /** The name of the gateway's own function for which most of `self` was spent; null: for none. */
  readonly mainOwner: string | null
}

interface Sum {
  readonly frame: CallFrame
  readonly own: boolean
  self: number
  attributed: number
  inclusive: number
  readonly owners: Map<string, number>
}

/** Sums a call tree up by function, the greatest `self` first. */
export function sumByFunction(root: CallNode): FunctionShare[] {
  const sums = new Map<string, Sum>()
  const onPath = new Set<Sum>()
  /** @param owner the nearest function of the gateway's own code above the node */
  const visit = ({ frame, self, children }: CallNode, owner: Sum | null): number => {
    const sum = sumOf(sums, frame)
    sum.self += self
    const payer = sum.own ? sum : owner
    if (payer !== null) payer.attributed += self
    if (owner !== null) {
      const name = nameOf(owner.frame)
      sum.owners.set(name, (sum.owners.get(name) ?? 0) + self)
    }
    const isOuter = !onPath.has(sum)
    onPath.add(sum)
    let inclusive = self
    for (const child of children) inclusive += visit(child, payer)
    if (isOuter) {
      onPath.delete(sum)
      sum.inclusive += inclusive
    }
    return inclusive
  }
  visit(root, null)
  return [...sums.values()]
    .map(({ frame, self, attributed, inclusive, owners }) => ({
      frame,
      self,
      attributed,
      inclusive,
      mainOwner: greatest(owners),
    }))
    .toSorted((a, b) => b.self - a.self)
}

function sumOf(sums: Map<string, Sum>, frame: CallFrame): Sum {
  const key = `${frame.functionName} ${frame.url} ${frame.lineNumber} ${frame.columnNumber}`
  let sum = sums.get(key)
  if (sum === undefined) {
    sum = { frame, own: isOwn(frame), self: 0, attributed: 0, inclusive: 0, owners: new Map() }
    sums.set(key, sum)
  }
  return sum
}

/** Whether it is the gateway's own code: neither native, nor Node's, nor a package's. */
export function isOwn({ url }: CallFrame): boolean {
  return url.startsWith('file:') && !url.includes('/node_modules/')
}

/** What to call the function. */
export function nameOf({ functionName }: CallFrame): string {
  return functionName === '' ? '(anonymous)' : functionName
}

function greatest(shares: ReadonlyMap<string, number>): string | null {
  let found: string | null = null
  let most = -1
  for (const [name, share] of shares) {
    if (share <= most) continue
    most = share
    found = name
  }
  return found
}
