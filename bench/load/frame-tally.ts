const BLANK_LINE = '\n\n'
const LF = 0x0a
const BRACKET = 0x5b
/** Where the value stands in `data: {…}` and `data: [DONE]`. */
const VALUE_AT = 6

/** What came of one event stream. */
export interface FrameTally {
  /** Takes the stream's bytes, cut anywhere. Hot path of the load generator: two searches a frame, no copy. */
  push(bytes: Buffer): void
  /** Frames that hold JSON: the role, each token, usage or an error. */
  readonly jsonFrames: number
  /** The stream ended with `data: [DONE]` and nothing after it. */
  readonly done: boolean
}

/** Counts the frames of an event stream without decoding them; comments (`: ping`) do not count. */
export function createFrameTally(): FrameTally {
  let jsonFrames = 0
  let done = false
  /** Bytes of the frame that is being read which earlier calls have had. */
  let offset = 0
  let first = 0
  let value = 0
  let lastByte = 0

  /** The frame goes on in `bytes` from `start`. */
  const look = (bytes: Buffer, start: number): void => {
    if (offset === 0) first = bytes[start] ?? 0
    const at = start + VALUE_AT - offset
    if (offset <= VALUE_AT) value = bytes[at] ?? 0
  }

  const endFrame = (): void => {
    const isData = first === 0x64
    done = isData && value === BRACKET
    if (isData && !done) jsonFrames += 1
    offset = 0
    first = value = 0
  }

  return {
    push(bytes) {
      if (bytes.length === 0) return
      let start = 0
      if (offset > 0 && lastByte === LF && bytes[0] === LF) {
        endFrame()
        start = 1
      }
      while (start < bytes.length) {
        look(bytes, start)
        const end = bytes.indexOf(BLANK_LINE, start, 'latin1')
        if (end < 0) {
          offset += bytes.length - start
          done = false
          break
        }
        endFrame()
        start = end + BLANK_LINE.length
      }
      lastByte = bytes[bytes.length - 1] ?? 0
    },
    get jsonFrames() {
      return jsonFrames
    },
    get done() {
      return done && offset === 0
    },
  }
}
