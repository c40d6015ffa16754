import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { packageRoot } from '../../src/io/package-root.js'
import { startGatewayProcess, type GatewayProcess, type LogLine } from '../gateway-process.js'
import { descendants, lives, type Kin } from '../proc-stat.js'

export const ADMIN_TOKEN = 'bench-admin-token'

const GONE_MS = 30_000
const ELECTED_MS = 60_000
const LOOK_MS = 10
const STOP_MS = 30_000

/** A gateway of the role `control`, on stores that outlive it, which is killed and started again. */
export interface MortalControl extends AsyncDisposable {
  /** Null while it does not run. */
  readonly adminPort: number | null
  /** What its present supervisor and the processes under it have logged. */
  readonly lines: readonly LogLine[]
  /** How often a process of the present supervisor became the leader. */
  readonly elections: number
  /** Resolves when there were more than so many. @throws when there are none within a minute */
  untilElected(elections: number): Promise<void>
  /** Starts it, when it does not run; resolves when it is ready. @throws when it does not start */
  start(): Promise<void>
  /** Kills the control process alone: its supervisor starts another. Resolves when it is gone. */
  killControl(): Promise<void>
  /** Kills supervisor and control process. Nodes on this machine live on. Resolves when both are gone. */
  killAll(): Promise<void>
}

export interface MortalControlOptions {
  /** Its nodes on this machine lie in `nodes` there. Made when missing. */
  readonly dataDir: string
  /** Settings beside host, ports and token; the URLs of the stores have to be among them. */
  readonly env: Readonly<Record<string, string>>
}

/** Starts one. Disposal ends it with SIGTERM. @throws when it does not start */
export async function startMortalControl({ dataDir, env }: MortalControlOptions): Promise<MortalControl> {
  const command = [process.execPath, '--enable-source-maps', join(packageRoot, 'dist', 'src', 'main.js')]
  let gateway: GatewayProcess | null = null
  let adminPort: number | null = null

  async function start(): Promise<void> {
    if (gateway !== null) return
    const settings = { ROLE: 'control', ADMIN_HOST: '127.0.0.1', ADMIN_PORT: '0', LOG_LEVEL: 'info' }
    const started = startGatewayProcess({
      command,
      env: { ...settings, ADMIN_TOKEN, DATA_DIR: dataDir, ...env },
    })
    gateway = started
    adminPort = (await started.ready()).adminPort
  }

  /** Its own processes, not those of nodes that it launched. */
  const family = (): Kin[] =>
    gateway === null ? [] : descendants(gateway.pid).filter(({ title }) => isOfGateway(title))

  const elections = () =>
    (gateway?.lines ?? []).filter(({ event, leading }) => event === 'leader' && leading === true).length

  await start()
  return {
    get adminPort() {
      return adminPort
    },
    get lines() {
      return gateway?.lines ?? []
    },
    get elections() {
      return elections()
    },
    async untilElected(before) {
      const deadline = performance.now() + ELECTED_MS
      while (elections() <= before) {
        if (performance.now() > deadline) throw new Error('a control process does not become the leader')
        await sleep(LOOK_MS)
      }
    },
    start,
    async killControl() {
      const control = family().filter(({ title }) => isControl(title))
      await killed(control)
    },
    async killAll() {
      const victims = family()
      const supervisor = gateway
      gateway = null
      adminPort = null
      await killed(victims)
      await supervisor?.exited
    },
    async [Symbol.asyncDispose]() {
      const last = gateway
      gateway = null
      adminPort = null
      if (last === null) return
      last.kill('SIGTERM')
      await Promise.race([last.exited, sleep(STOP_MS, undefined, { ref: false })])
      await last[Symbol.asyncDispose]()
    },
  }
}

/** A process bears its file and role in its command line until it has given itself a title. */
function isOfGateway(title: string): boolean {
  return title.startsWith('crosslogic-') || title.includes('/dist/src/main.js')
}

function isControl(title: string): boolean {
  return title.startsWith('crosslogic-control') || title.includes('/dist/src/main.js control')
}

async function killed(victims: readonly Kin[]): Promise<void> {
  for (const { pid } of victims.filter(lives)) process.kill(pid, 'SIGKILL')
  const deadline = performance.now() + GONE_MS
  while (victims.some(lives)) {
    if (performance.now() > deadline) throw new Error('a process outlives SIGKILL')
    await sleep(LOOK_MS)
  }
}
