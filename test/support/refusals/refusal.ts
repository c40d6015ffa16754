import type { ErrorCode } from '../../../src/core/errors.js'
import type { Prepare } from '../calls/call.js'

/**
 * By endpoint id and error code: a call that is refused so. Only what is peculiar to an endpoint stands here: the
 * refusals that all of a kind share are made by shared.ts.
 */
export type Refusals = Readonly<Record<string, Readonly<Partial<Record<ErrorCode, Prepare>>>>>
