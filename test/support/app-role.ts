import { type Client, DatabaseError } from 'pg'

const NAME = 'test_app'
const PASSWORD = 'app'

/** Makes the role that the app has in tests. Roles belong to the server: whichever test file comes first makes it. */
export async function makeAppRole(client: Client): Promise<void> {
  await client.query(`CREATE ROLE ${NAME} LOGIN PASSWORD '${PASSWORD}'`).catch((error: unknown) => {
    // It is there, or was made in the same moment.
    if (!(error instanceof DatabaseError && /^(42710|23505)$/.test(error.code ?? ''))) throw error
  })
}

/** The same database as that role. */
export function asApp(url: string): string {
  const parsed = new URL(url)
  parsed.username = NAME
  parsed.password = PASSWORD
  return parsed.href
}
