import { inTurn, nginxOf, type Bench, type Scenario } from '../bench.js'
import type { Contender } from '../contenders/contender.js'
import { readCpu } from '../cpu-reading.js'
import { rowOf } from '../row.js'
import { connectTo, type Session } from '../session.js'
import { columns } from '../table.js'
import { chatRequest } from './chat.js'
import { limitMs } from './cpu.js'

const KB = 1024
const SMALL_BYTES = KB
const LARGE_BYTES = 64 * KB
const CONNECTIONS = 16
const MOST_SECONDS = 1.5
const WARM_UP_SECONDS = 0.5

/** µs of CPU per request. */
interface Cost {
  readonly small: number
  readonly large: number
}

/** What a long prompt costs over a short one. */
export const prompts: Scenario = {
  name: 'prompts',
  title: `Extra CPU of a 64 KB prompt over a 1 KB prompt: plain chat, 1 token, ${CONNECTIONS} connections, closed loop`,
  async run(bench) {
    const nginx = nginxOf(bench)
    const contenders = nginx === undefined ? [bench.gateway] : [nginx, bench.gateway]
    const costs = await inTurn(bench, contenders, bench.pairs, (contender) => cost(bench, contender))
    const names = [...costs.keys()]
    const cells = [...costs.values()].map((runs) =>
      runs.map(({ small, large }) => `${small.toFixed(1)} → ${large.toFixed(1)}`).join(', '),
    )
    for (const line of columns([
      ['µs per request, 1 KB → 64 KB', ...names],
      ['', ...cells],
    ]))
      bench.note(line)
    const extra = new Map(
      [...costs].map(([name, runs]) => [name, runs.map(({ small, large }) => large - small)]),
    )
    return [rowOf('Extra CPU of a 64 KB prompt over 1 KB', 'µs', extra, { atMost: 60 })]
  },
}

async function cost(bench: Bench, contender: Contender): Promise<Cost> {
  await using session = await connectTo(bench.load, contender, CONNECTIONS)
  return {
    small: await microsPerRequest(bench, contender, session, SMALL_BYTES),
    large: await microsPerRequest(bench, contender, session, LARGE_BYTES),
  }
}

async function microsPerRequest(
  bench: Bench,
  contender: Contender,
  session: Session,
  bytes: number,
): Promise<number> {
  const run = (seconds: number) =>
    session.run({
      kind: 'requests',
      request: chatRequest(contender, { tokens: 1, content: prompt(bytes) }),
      record: null,
      durationMs: seconds * 1000,
      pauseMs: 0,
      limitMs: limitMs(seconds),
    })
  await run(WARM_UP_SECONDS)
  const { result, proxyMicros } = await readCpu(contender, () => run(Math.min(bench.seconds, MOST_SECONDS)))
  return proxyMicros / result.completed
}

/** Text with the quotes, line ends and letters beyond ASCII that prompts have, which JSON escapes. */
export function prompt(bytes: number): string {
  const line =
    'The user said: "Résumé the report in 3 lines, please."\nThe report follows here, line by line.\n'
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes)
}
