/** What a promise resolves to, or null when it takes longer than that; it goes on regardless. */
export async function within<T>(ms: number, promise: Promise<T> | null): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}
