import { chmod, mkdir, readFile, readdir, statfs, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { UsageError } from '../command.js'

const MANIFEST_FILE = 'bench-usage.json'

/** What a folder of generated requests holds, written when it is complete. */
const Manifest = z.object({
  version: z.literal(1),
  requests: z.number(),
  days: z.number(),
  endMs: z.number(),
  tenantId: z.string(),
  apiKey: z.string(),
})
export type Manifest = z.infer<typeof Manifest>

/** Where the parts of a generated store lie in its folder. */
export function placesIn(folder: string): { readonly clickhouse: string; readonly gateway: string } {
  return { clickhouse: join(folder, 'clickhouse'), gateway: join(folder, 'gateway') }
}

/** Of disk for each request: all three tables, and the room that merges need beside them. */
const BYTES_PER_REQUEST = 160
/** Whatever is in it. */
const BASE_BYTES = 500e6

/** @throws UsageError when the folder's disk has too little room for so many requests */
export async function checkFreeSpace(folder: string, requests: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const needed = BASE_BYTES + requests * BYTES_PER_REQUEST
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`
  if (bavail * bsize >= needed) return
  throw new UsageError(
    `${requests} requests need about ${gigabytes(needed)} and ${folder} has ${gigabytes(bavail * bsize)} free:` +
      ' set TMPDIR or --keep to another disk, or take fewer --requests',
  )
}

/** Makes a folder that the embedded Postgres, which may run as another user, can enter. */
export async function makeFolder(folder: string): Promise<string> {
  const path = resolve(folder)
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw new UsageError(`--keep ${folder}: ${error instanceof Error ? error.message : String(error)}`)
  })
  await chmod(path, 0o755)
  return path
}

/**
 * What is in a folder that a run before this one kept; null: nothing.
 * @throws UsageError when there is something else in it
 */
export async function readManifest(
  folder: string,
  wanted: Pick<Manifest, 'requests' | 'days'>,
): Promise<Manifest | null> {
  if ((await readdir(folder)).length === 0) return null
  const text = await readFile(join(folder, MANIFEST_FILE), 'utf8').catch(() => null)
  if (text === null)
    throw new UsageError(`${folder} holds no complete store of this bench; remove it or name another`)
  const parsed = Manifest.safeParse(JSON.parse(text))
  if (!parsed.success) throw new UsageError(`${folder} was made by another version of this bench; remove it`)
  const { requests, days } = parsed.data
  if (requests === wanted.requests && days === wanted.days) return parsed.data
  throw new UsageError(
    `${folder} holds ${requests} requests of ${days} days; ask for those, or name another folder`,
  )
}

/** Says that the folder is complete. It holds a key: for its owner only. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await writeFile(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest)}\n`, { mode: 0o600 })
}
