/** A page in the API's shape. */
export function listing<T>(data: T[], total: number, { limit, offset }: { limit: number; offset: number }) {
  return { data, pagination: { total, limit, offset, has_more: offset + data.length < total } }
}
