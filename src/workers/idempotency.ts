import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { ContractTask } from '../core/contract/task.js'
import { GatewayError } from '../core/errors.js'
import { loadQuery } from '../io/postgres.js'
import { type Queryable, rowOf } from '../io/query.js'

const CLAIM = loadQuery('idempotency-claim')
const FIND = loadQuery('idempotency-find')
const SAVE = loadQuery('idempotency-save')
const FORGET = loadQuery('idempotency-forget')

/** What a call is answered with. */
export interface Answer {
  readonly body: Uint8Array
  /** In its quotes; null: the reply is no row with a version. */
  readonly etag: string | null
}

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16

const Remembered = z.object({ body_digest: z.instanceof(Buffer), reply: z.instanceof(Buffer) })

/**
 * Runs `work` at most once for an Idempotency-Key and credential: a repetition gets the first reply, one that comes
 * while the first is under way waits for it. All in the caller's transaction, so that a change and its reply are
 * remembered together or not at all.
 * @throws GatewayError idempotency_mismatch when the key came with another call before
 */
export async function once(db: Queryable, task: ContractTask, work: () => Promise<Answer>): Promise<Answer> {
  if (task.idempotency === null) return work()
  const { key, credential } = task.idempotency
  // The look-up name and the encryption key are derived apart: the one that is stored tells nothing of the other.
  const name = derived(credential, key, 'name')
  const secret = derived(credential, key, 'reply')
  const call = JSON.stringify([task.endpointId, task.params, task.query])
  const bodyDigest = createHash('sha256').update(call).update('\0').update(task.body).digest()

  await db.query(FORGET, [name])
  // A concurrent call with the same key waits here until the first one's transaction has ended.
  const { rowCount } = await db.query(CLAIM, [name, bodyDigest])
  if (rowCount === 0) {
    const first = await rowOf(db, FIND, Remembered, [name])
    if (first?.body_digest.equals(bodyDigest) !== true) throw new GatewayError('idempotency_mismatch')
    return unpacked(decrypt(first.reply, secret))
  }
  const reply = await work()
  await db.query(SAVE, [name, encrypt(packed(reply), secret)])
  return reply
}

/** A line with the ETag, which may be empty, and the body. */
function packed({ etag, body }: Answer): Buffer {
  return Buffer.concat([Buffer.from(`${etag ?? ''}\n`), body])
}

function unpacked(bytes: Buffer): Answer {
  const end = bytes.indexOf('\n')
  const etag = bytes.toString('latin1', 0, end)
  return { etag: etag === '' ? null : etag, body: bytes.subarray(end + 1) }
}

function derived(credential: string, key: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', credential, key, `crosslogic idempotency ${purpose}`, 32))
}

function encrypt(plain: Uint8Array, secret: Buffer): Buffer {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, secret, iv)
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function decrypt(sealed: Buffer, secret: Buffer): Buffer {
  const decipher = createDecipheriv(CIPHER, secret, sealed.subarray(0, IV_BYTES))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()])
}
