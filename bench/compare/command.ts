import { writeFile } from 'node:fs/promises'
import { UsageError, type Command } from '../command.js'
import { HELP, planOf, type Plan } from './plan.js'
import { describeMachine, preface, verdict } from './preface.js'
import type { Row } from './row.js'
import { startSetting, type Setting } from './setting.js'
import { formatTable } from './table.js'

/** Measures and prints. Exit code 1 when a run failed or was interrupted, or with `--strict` when a goal was missed. */
export const compareCommand: Command = {
  summary: 'CPU, latency and memory of the gateway against other proxies, in one run (the default)',
  help: HELP,
  async run(args) {
    const plan = planOf(args)
    if (plan.out !== null) await claim(plan.out)
    const rows = await compare(plan, stopSignal())
    return plan.strict && rows.some(({ met }) => met === false) ? 1 : 0
  },
}

/** Rejects when the user wants to stop. */
function stopSignal(): Promise<never> {
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        reject(new Error('interrupted'))
      })
    }
  })
  interrupted.catch(() => {})
  return interrupted
}

/** @throws UsageError when the file cannot be written; told before minutes are spent */
async function claim(path: string): Promise<void> {
  await writeFile(path, '').catch((error: unknown) => {
    throw new UsageError(
      `--out ${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
    )
  })
}

async function compare(plan: Plan, interrupted: Promise<never>): Promise<readonly Row[]> {
  const startedAt = new Date()
  await using setting = await startSetting(plan, interrupted)
  console.log(preface(plan, setting))
  const rows: Row[] = []
  try {
    await Promise.race([measureAll(plan, setting, rows), interrupted])
  } finally {
    // Also when it was interrupted or failed: what was measured until then.
    printTable(setting, rows, startedAt)
    if (plan.out !== null) await writeFile(plan.out, resultText(plan, setting, rows, startedAt))
  }
  return rows
}

async function measureAll({ scenarios }: Plan, { bench }: Setting, rows: Row[]): Promise<void> {
  for (const { title, run } of scenarios) {
    const from = performance.now()
    console.log(title)
    rows.push(...(await run(bench)))
    console.log(`  ${Math.round((performance.now() - from) / 1000)} s\n`)
  }
  console.log(`${await bench.gateway.checkBill()}\n`)
}

function printTable({ bench, absent }: Setting, rows: readonly Row[], startedAt: Date): void {
  if (rows.length === 0) return
  const names = ['gateway', ...bench.peers.map(({ name }) => name)]
  for (const line of formatTable(rows, names)) console.log(line)
  for (const { name, reason } of absent) console.log(`${name}: not measured: ${reason}`)
  console.log(`\n${verdict(rows)} ${Math.round((Date.now() - startedAt.getTime()) / 1000)} s in all.`)
}

function resultText(plan: Plan, { bench, absent }: Setting, rows: readonly Row[], startedAt: Date): string {
  const { pairs, seconds, peers, scenarios } = plan
  const contenders = [...bench.peers, bench.gateway].map(({ name, description }) => ({ name, description }))
  const result = {
    format: 'crosslogic-compare/1',
    startedAt: startedAt.toISOString(),
    settings: { pairs, seconds, peers, scenarios: scenarios.map(({ name }) => name) },
    machine: describeMachine(),
    contenders,
    absent,
    rows,
  }
  return `${JSON.stringify(result, null, 2)}\n`
}
