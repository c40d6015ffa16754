/** Bytes of request bodies that this process holds, with a bound. */
export interface BodyBudget {
  /** Takes the bytes; false when they would not fit. */
  take(bytes: number): boolean
  give(bytes: number): void
  readonly held: number
}

export function createBodyBudget(mostBytes: number): BodyBudget {
  let held = 0
  return {
    take(bytes) {
      if (held + bytes > mostBytes) return false
      held += bytes
      return true
    },
    give(bytes) {
      held -= bytes
    },
    get held() {
      return held
    },
  }
}
