/** A timer that is later than this says that the process was held up itself: the answer may be there, unread. */
const HELD_UP_MS = 50
const MOST_EXTENSIONS = 2

/**
 * What a promise resolves to. It goes on regardless.
 * @throws Error when there is no answer within that time, of the time in which this process could have read it
 */
export function inTime<T>(ms: number, answer: Promise<T>, who: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let extensions = 0
    let timer: NodeJS.Timeout
    const wait = () => {
      const from = performance.now()
      timer = setTimeout(() => {
        const heldUp = performance.now() - from > ms + HELD_UP_MS && extensions < MOST_EXTENSIONS
        extensions++
        if (heldUp) wait()
        // What has come by now is read before the next turn.
        else setImmediate(reject, new Error(`${who} did not answer within ${ms} ms`))
      }, ms)
    }
    wait()
    answer.then(resolve, reject).finally(() => {
      clearTimeout(timer)
    })
  })
}
