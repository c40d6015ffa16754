import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { StartError } from './start-error.js'

/** A schema that could not be brought up to date; the message names the file and the reason, in one line. */
export class MigrationError extends StartError {}

export interface Migration {
  readonly version: number
  /** `0001-tenants.sql` */
  readonly file: string
  readonly sql: string
  /** SHA-256 of the file, in hex. */
  readonly checksum: string
}

/** A row of `schema_migrations`. */
export interface AppliedMigration {
  readonly version: number
  readonly name: string
  readonly checksum: string
}

const FILE_NAME = /^(\d{4})-[a-z0-9]+(-[a-z0-9]+)*\.sql$/

/**
 * Reads a folder of files `0001-name.sql`, in order.
 * @throws MigrationError when a number is missing or stands twice, or a name is not of that form
 */
export async function readMigrations(directory: string): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort()
  return Promise.all(
    files.map(async (file, index) => {
      const version = Number(FILE_NAME.exec(file)?.[1])
      if (version !== index + 1) {
        const expected = String(index + 1).padStart(4, '0')
        throw new MigrationError(
          `migration ${file}: the files must be numbered without gaps; expected ${expected}-…`,
        )
      }
      const sql = await readFile(join(directory, file), 'utf8')
      return { version, file, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

/**
 * The migrations that a database still needs.
 * @throws MigrationError when what was applied is not the beginning of what there is
 */
export function pendingMigrations(
  migrations: readonly Migration[],
  applied: readonly AppliedMigration[],
  store: string,
): readonly Migration[] {
  for (const [index, row] of applied.entries()) {
    const migration = migrations[row.version - 1]
    if (!migration) {
      throw new MigrationError(
        `${store} is at version ${row.version} (${row.name}), newer than this build, which knows ${migrations.length}`,
      )
    }
    if (row.version !== index + 1) {
      throw new MigrationError(
        `migration ${migrations[index]?.file ?? ''}: ${store} never applied it, but applied ${row.name} after it`,
      )
    }
    if (migration.checksum !== row.checksum) {
      throw new MigrationError(`migration ${migration.file}: the file was changed after ${store} applied it`)
    }
  }
  return migrations.slice(applied.length)
}

/** What a schema's migration did. */
export interface MigrationResult {
  /** The files applied now. */
  readonly applied: readonly string[]
  /** The version that the schema has now; 0 is an empty one. */
  readonly version: number
}

/** The first line of an error's message, for messages of one line. */
export function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n', 1)[0] ?? ''
}
