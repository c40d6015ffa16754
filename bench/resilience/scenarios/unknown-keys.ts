import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { z } from 'zod'
import { BYTES_PER_KB, parseResidentBytes } from '../../compare/memory.js'
import { setUpModel, startGateway, type Gateway } from '../../gateway.js'
import { startNodeFleet } from '../../node-fleet.js'
import { proxyOf } from '../../proxy-of.js'
import { quantile } from '../../statistics.js'
import { MODEL } from '../bed.js'
import { startKeyFlood } from '../key-flood.js'
import { LoadClient, type ClientView } from '../load-client.js'
import type { Scenario } from '../measure.js'
import { startSharedStores } from '../shared-stores.js'

const CALM_SECONDS = 15
const FLOOD_SECONDS = 60
/** More than look-ups that may wait: a look-up each that took its turn alone would be turned away, good or not. */
const CONNECTIONS = 2_000
const LEAST_KEYS = 300_000
/** Requests a second, one by one: of a key that is in use, of keys that this process has not seen, of keys made just now. */
const KNOWN_RATE = 50
const UNSEEN_RATE = 5
const NEW_RATE = 2
/** What negative cache, look-ups under way and the sockets may take. */
const MOST_GROWTH_MB = 150
/** Statements that look keys up, a second and process: see key-finder.ts. */
const MOST_STATEMENTS = 200
/** Postgres tells its figures this late. */
const STATISTICS_MS = 2_000

const REQUEST = {
  path: '/v1/chat/completions' as const,
  body: { model: MODEL, max_tokens: 1, sim_ttft_ms: 5, messages: [{ role: 'user', content: 'Hello' }] },
  leave: null,
}

interface Seen {
  readonly ms: number
  readonly status: number | null
}

/** Uses a key once, over a connection of its own: such a client has none yet. */
async function useOnce(port: number, key: string): Promise<Seen> {
  using client = new LoadClient(port, key)
  return seenBy(await client.send(REQUEST))
}

function seenBy({ sentAtMs, arrivals, status }: ClientView): Seen {
  return { ms: (arrivals.at(-1)?.atMs ?? performance.now()) - sentAtMs, status }
}

/** Sends at a fixed rate, whatever becomes of it, for so long. */
async function openLoop(rate: number, seconds: number, send: () => Promise<Seen>): Promise<Seen[]> {
  const begun = performance.now()
  const all: Promise<Seen>[] = []
  for (let at = 0; at < rate * seconds; at++) {
    await sleep(Math.max(0, begun + (at * 1_000) / rate - performance.now()))
    all.push(send())
  }
  return Promise.all(all)
}

const refused = (seen: readonly Seen[]) => seen.filter(({ status }) => status !== 200).length
const quantileMs = (seen: readonly Seen[], q: number) =>
  quantile(
    seen.map(({ ms }) => ms).sort((a, b) => a - b),
    q,
  )

async function keyLookups({ adminUrl }: Gateway): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  let sum = 0
  for (const line of text.split('\n')) {
    if (!line.startsWith('crosslogic_auth_lookups_total{') || !line.includes('source="postgres"')) continue
    sum += Number(line.slice(line.lastIndexOf(' ')))
  }
  return sum
}

const Commits = z.object({ commits: z.coerce.number() })

/** A flood of keys that nobody has, beside keys that are in use, that were not seen yet, and that are new. */
export const unknownKeys: Scenario = {
  name: 'unknown-keys',
  title: `a flood of unknown keys for ${FLOOD_SECONDS} s over ${CONNECTIONS} connections, beside ${KNOWN_RATE} requests/s of a known one`,
  async run(note) {
    await using stores = await startSharedStores()
    await using nodes = await startNodeFleet(['--model', MODEL])
    await using gateway = await startGateway({ env: stores.env })
    const apiKey = await setUpModel(gateway, MODEL, nodes.urls)
    const postgres = new Client({ connectionString: stores.env['DATABASE_URL'] })
    await postgres.connect()
    const commits = async () => {
      const { rows } = await postgres.query(
        'SELECT sum(xact_commit) AS commits FROM pg_stat_database WHERE datname = current_database()',
      )
      return Commits.parse(rows[0]).commits
    }
    const { body: tenant } = await gateway.client.tenants.create({
      body: { name: 'Others', email: 'others@example.com', tier: 'enterprise' },
    })
    const newKey = async () => {
      const { body } = await gateway.client.tenantApiKeys.create({
        params: { id: tenant.tenant.id },
        body: { name: 'one of many' },
      })
      return body.key
    }
    const unseen: string[] = []
    for (let at = 0; at < UNSEEN_RATE * (CALM_SECONDS + FLOOD_SECONDS); at++) unseen.push(await newKey())

    const proxy = proxyOf(gateway.process)
    const residentMb = () =>
      parseResidentBytes(readFileSync(`/proc/${proxy}/smaps_rollup`, 'utf8')) / BYTES_PER_KB / BYTES_PER_KB
    using known = new LoadClient(gateway.tenantPort, apiKey)
    const port = gateway.tenantPort
    const good = async (seconds: number) => {
      const from = await commits()
      const [used, notSeen, made] = await Promise.all([
        openLoop(KNOWN_RATE, seconds, async () => seenBy(await known.send(REQUEST))),
        openLoop(UNSEEN_RATE, seconds, () => useOnce(port, unseen.pop() ?? '')),
        openLoop(NEW_RATE, seconds, async () => useOnce(port, await newKey())),
      ])
      await sleep(STATISTICS_MS)
      const statements = ((await commits()) - from) / (seconds + STATISTICS_MS / 1_000)
      return { used, notSeen, made, statements }
    }

    const calm = await good(CALM_SECONDS)
    const before = residentMb()
    const lookupsBefore = await keyLookups(gateway)
    let peak = before
    const watch = setInterval(() => {
      peak = Math.max(peak, residentMb())
    }, 500)
    const endFlood = startKeyFlood(port, CONNECTIONS)
    const flooded = await good(FLOOD_SECONDS)
    const told = await endFlood()
    clearInterval(watch)
    const lookups = (await keyLookups(gateway)) - lookupsBefore
    await sleep(10_000)
    const after = residentMb()
    await postgres.end()

    const statuses = Object.entries(told.byStatus).map(([status, count]) => `${status} ${count}`)
    note(`${told.sent} keys sent, replies: ${statuses.join(', ')}; ${told.broken} connections broken`)
    note(
      `resident: ${before.toFixed(0)} MB before, ${peak.toFixed(0)} at most, ${after.toFixed(0)} ten seconds after`,
    )
    note(
      `Postgres was asked for ${lookups} keys in all; ${calm.statements.toFixed(0)} transactions/s without the flood, ` +
        `${flooded.statements.toFixed(0)} with it`,
    )
    const told99 = (name: string, seen: readonly Seen[]) =>
      `${name} p50 ${quantileMs(seen, 0.5).toFixed(1)}, p99 ${quantileMs(seen, 0.99).toFixed(1)} ms`
    for (const [name, phase] of Object.entries({ calm, flooded })) {
      note(
        `${name}: ${[told99('known', phase.used), told99('not seen', phase.notSeen), told99('new', phase.made)].join('; ')}`,
      )
    }
    const measure = (what: string, unit: string, figure: number, atMost: number | null) => ({
      what,
      unit,
      figure,
      atMost,
    })
    return [
      measure('keys short of 300,000', '', Math.max(0, LEAST_KEYS - told.sent), 0),
      measure('memory of the proxy at most, over before', 'MB', peak - before, MOST_GROWTH_MB),
      measure(
        'more transactions in Postgres a second',
        '',
        flooded.statements - calm.statements,
        MOST_STATEMENTS,
      ),
      measure(
        'known key: p99 with the flood ÷ without',
        '×',
        quantileMs(flooded.used, 0.99) / quantileMs(calm.used, 0.99),
        2,
      ),
      measure('known key: requests refused', '', refused(flooded.used), 0),
      measure('good keys not seen before: requests refused', '', refused(flooded.notSeen), 0),
      measure('keys made in the flood: requests refused', '', refused(flooded.made), 0),
    ]
  },
}
