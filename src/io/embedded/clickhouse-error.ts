/** An error with a code of ClickHouse's own table, as its HTTP interface reports it. */
export class ClickHouseFailure extends Error {
  override readonly name = 'ClickHouseFailure'
  readonly code: number

  /** @param message without the `Code: …` in front; ends with the code's name in brackets */
  constructor(code: number, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }

  /** The body of the HTTP reply. */
  body(): string {
    return `Code: ${this.code}. DB::Exception: ${this.message}\n`
  }
}

/** Codes of ClickHouse's src/Common/ErrorCodes.cpp that are raised here. */
export const CODE = {
  notImplemented: 48,
  syntaxError: 62,
  unknownSetting: 115,
  incorrectData: 117,
  tooManyQueries: 202,
  noDataToInsert: 108,
  queryIsTooLarge: 306,
  authenticationFailed: 516,
  standardException: 1001,
} as const

const PREFIX = /^(?:Code: (\d+)\. DB::Exception: )+/

/** The engine's own errors read `Code: 62. DB::Exception: … (SYNTAX_ERROR)`, sometimes several times over. */
export function toClickHouseFailure(thrown: unknown): ClickHouseFailure {
  if (thrown instanceof ClickHouseFailure) return thrown
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const prefix = PREFIX.exec(text)
  if (!prefix) return new ClickHouseFailure(CODE.standardException, `${text} (STD_EXCEPTION)`, thrown)
  return new ClickHouseFailure(Number(prefix[1]), text.slice(prefix[0].length), thrown)
}

/**
 * HTTP status of each code that has one; others are 500. After `exceptionCodeToHTTPStatus` in ClickHouse's
 * src/Server/HTTP/exceptionCodeToHTTPStatus.cpp.
 */
const STATUS = new Map<number, number>([
  ...assign(401, [194]),
  ...assign(403, [192, 193, 291, 497, 511, 516]),
  ...assign(
    400,
    [
      6, 26, 27, 33, 36, 38, 41, 43, 53, 62, 69, 70, 72, 117, 120, 125, 130, 131, 161, 167, 168, 183, 223,
      427, 456, 457, 472,
    ],
  ),
  ...assign(404, [46, 47, 50, 56, 60, 63, 73, 81, 82, 106, 115, 139]),
  ...assign(408, [159]),
  ...assign(411, [381]),
  ...assign(413, [306]),
  ...assign(501, [48]),
  ...assign(503, [76, 202, 209, 439]),
])

function assign(status: number, codes: readonly number[]): [number, number][] {
  return codes.map((code) => [code, status])
}

export function httpStatusOf(code: number): number {
  return STATUS.get(code) ?? 500
}
