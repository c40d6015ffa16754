import type { LaunchTemplate } from './launch-template.js'
import { shellWord } from './skypilot-shell.js'

/** Releases of the engines that are installed on machines; an engine's arguments change with them. */
const RELEASES = { vllm: '0.33.0', sglang: '0.5.23' } as const

/** Uses the `uv` that SkyPilot brings, or gets one. */
const pipInstall = (requirement: string) => `set -e
PATH="$HOME/.local/bin:$PATH"
command -v uv >/dev/null || python3 -m pip install --user --quiet uv
[ -x "$HOME/engine/bin/python" ] || uv venv --python 3.12 --seed "$HOME/engine"
uv pip install --python "$HOME/engine/bin/python" --torch-backend=auto ${shellWord(requirement)}
`

/**
 * The shell commands that put a template's engine on a new machine, once for each machine. What is not known how to
 * install has to be on the machine's image: then they end with an error that says so where it is not.
 */
export function engineSetup({ command }: LaunchTemplate): string {
  const words = command.map((text) => (text === null ? '' : literal(text)))
  const [program = ''] = words
  if (program === 'vllm') return pipInstall(`vllm==${RELEASES.vllm}`)
  if (words.includes('sglang.launch_server')) return pipInstall(`sglang==${RELEASES.sglang}`)
  const word = shellWord(program)
  return `command -v ${word} >/dev/null || { printf '%s is not on this machine\\n' ${word} >&2; exit 1; }
`
}

/** `{{node}}` is the program `node` there. */
function literal(text: NonNullable<LaunchTemplate['command'][number]>): string {
  return text.map((part) => (typeof part === 'string' ? part : part.placeholder)).join('')
}
