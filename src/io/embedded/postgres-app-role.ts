import type { Client } from 'pg'

/** What the app runs as: owns nothing, and gets its rights after the migrations. */
export const APP_ROLE = 'crosslogic_app'

/** Makes the app's role where it is missing, as in data of earlier versions, and sets its password. */
export async function prepareAppRole(client: Client, password: string): Promise<void> {
  const found = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [APP_ROLE])
  if (found.rowCount === 0) await client.query(`CREATE ROLE ${APP_ROLE}`)
  const rights = 'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS'
  await client.query(`ALTER ROLE ${APP_ROLE} ${rights} PASSWORD ${client.escapeLiteral(password)}`)
}
