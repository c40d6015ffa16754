import { Client } from 'pg'
import type { Logger } from 'pino'
import { z } from 'zod'
import { firstLine, MigrationError } from './migration-files.js'
import { theRowOf, rowsOf } from './query.js'

const CONNECT_TIMEOUT_MS = 10_000

/** What the app may do with a table where that is not everything. */
const RIGHTS: Readonly<Record<string, string>> = {
  audit_log: 'SELECT, INSERT',
  schema_migrations: 'SELECT',
}
const ALL_RIGHTS = 'SELECT, INSERT, UPDATE, DELETE'

const Role = z.object({ role: z.string() })
const Schema = z.object({ name: z.string() })
const Relation = z.object({ name: z.string(), is_sequence: z.boolean() })
const Protection = z.object({ is_owner: z.boolean(), may_change: z.boolean() })

/** What the migrations have made; an extension's tables, say, are not the owner role's. */
const RELATIONS = `
  SELECT c.relname AS name, c.relkind = 'S' AS is_sequence
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'S')
    AND pg_has_role(c.relowner, 'USAGE')
  ORDER BY 1`

/** Of the role $1: whether it can act as the audit log's owner, and whether it may change entries all the same. */
const PROTECTION = `
  SELECT r.rolsuper OR pg_has_role(r.oid, c.relowner, 'MEMBER') AS is_owner,
    has_table_privilege(r.oid, c.oid, 'UPDATE, DELETE, TRUNCATE') AS may_change
  FROM pg_roles r CROSS JOIN pg_class c
  WHERE r.rolname = $1 AND c.oid = to_regclass('audit_log')`

/**
 * Gives the role that the app connects as the rights that it needs and no more: of the audit log only reading and
 * adding. Where that role is the tables' owner there is nothing to give, and a warning says that only the trigger
 * protects the log.
 * @param options.client the owner's connection, which holds the migration lock
 * @param options.appUrl how the app connects: the role is asked for there, since a URL need not name it; left out
 *   where it is the owner
 * @throws MigrationError when the app cannot connect or the owner may not grant
 */
export async function grantAppRole(options: {
  client: Client
  appUrl: string | undefined
  logger?: Logger | undefined
}): Promise<void> {
  const { client, appUrl, logger } = options
  const owner = await currentRole(client)
  const role = appUrl === undefined ? owner : await roleOf(appUrl)
  if (role !== owner) await grant(client, role)
  const [protection] = await rowsOf(client, PROTECTION, Protection, [role])
  if (protection === undefined || !(protection.is_owner || protection.may_change)) return
  logger?.warn(
    { event: 'audit_log_unprotected', role },
    protection.is_owner
      ? 'the role of DATABASE_URL owns the audit log and could switch its trigger off: set MIGRATION_DATABASE_URL'
      : 'the role of DATABASE_URL has been granted more on the audit log than reading and adding: revoke it',
  )
}

/** In one transaction: a running app never sees a moment without its rights. */
async function grant(client: Client, role: string): Promise<void> {
  const to = client.escapeIdentifier(role)
  try {
    await client.query('BEGIN')
    const { name: schema } = await theRowOf(client, 'SELECT current_schema() AS name', Schema)
    await client.query(`GRANT USAGE ON SCHEMA ${client.escapeIdentifier(schema)} TO ${to}`)
    for (const { name, is_sequence: isSequence } of await rowsOf(client, RELATIONS, Relation)) {
      const relation = `${client.escapeIdentifier(schema)}.${client.escapeIdentifier(name)}`
      const rights = RIGHTS[name]
      if (rights !== undefined) await client.query(`REVOKE ALL ON ${relation} FROM ${to}`)
      await client.query(
        isSequence
          ? `GRANT USAGE ON SEQUENCE ${relation} TO ${to}`
          : `GRANT ${rights ?? ALL_RIGHTS} ON ${relation} TO ${to}`,
      )
    }
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}) // The connection is gone, and the transaction with it.
    throw new MigrationError(`the role of DATABASE_URL cannot be given its rights: ${firstLine(error)}`, 1, {
      cause: error,
    })
  }
}

async function currentRole(client: Client): Promise<string> {
  return (await theRowOf(client, 'SELECT current_user::text AS role', Role)).role
}

async function roleOf(url: string): Promise<string> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  // What goes wrong is thrown by the call under way.
  client.on('error', () => {})
  try {
    await client.connect()
    return await currentRole(client)
  } catch (error) {
    throw new MigrationError(`the role of DATABASE_URL cannot connect: ${firstLine(error)}`, 1, {
      cause: error,
    })
  } finally {
    await client.end().catch(() => {})
  }
}
