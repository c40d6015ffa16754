/** An exception as SkyPilot's server raises it, known by the name of its class. */
export class PythonError extends Error {
  readonly type: string

  constructor(type: string, message: string) {
    super(message)
    this.type = type
  }
}

/** What stands where a pickle would: whoever decodes it finds out. */
export const PICKLE = Buffer.from('not a pickle: never to be decoded').toString('base64')

/** As `exceptions.serialize_exception` has it. */
export function serializedError({ type, message }: PythonError) {
  return {
    type,
    message,
    args: [message],
    attributes: {},
    stacktrace: 'Traceback (most recent call last): …',
  }
}
