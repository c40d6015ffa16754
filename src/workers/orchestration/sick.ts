/** A node whose health check has failed for so long is replaced. */
export const SICK_AFTER_MS = 300_000
