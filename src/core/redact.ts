/** Names of fields that hold a secret: `api_key`, `apiKey`, `hf-token`, `DB_PASSWORD`. */
const SECRET_NAME =
  /(?:^|_)(?:key|keys|apikey|token|secret|secrets|password|passwd|passphrase|credential|credentials|authorization|digest)$/
/** The same as an argument of a command line, its value behind it. */
const SECRET_ARGUMENT = /^--?[\w-]*(?:key|token|secret|password|credentials?)$/i
const SECRET_ASSIGNMENT = /(--?[\w-]*(?:key|token|secret|password|credentials?)(?:=|\s+))\S+/gi
/** What the gateway itself hands out, wherever it stands. */
const OWN_SECRET = /cl(?:sk_live|sk_test|at)_[0-9A-Za-z]{49}/g

const HIDDEN = '***'

/**
 * A value as JSON text with its secrets hidden: whatever stands under a secret's name at any depth (null and booleans
 * excepted, which only say whether there is one), arguments of command lines that are named so, API keys and tokens.
 */
export function redactedJson(value: unknown): string {
  return JSON.stringify(value, (name, field: unknown) => redactedField(name, field))
}

function redactedField(name: string, field: unknown): unknown {
  if (field === null || typeof field === 'boolean') return field
  if (SECRET_NAME.test(snake(name))) return HIDDEN
  if (Array.isArray(field)) {
    return field.map((item: unknown, at) => {
      const before: unknown = field[at - 1]
      return typeof item === 'string' && typeof before === 'string' && SECRET_ARGUMENT.test(before)
        ? HIDDEN
        : item
    })
  }
  return typeof field === 'string' ? redactedText(field) : field
}

/** A text without the gateway's own keys and tokens, and without what follows the name of a secret in a command line. */
export function redactedText(text: string): string {
  return text.replace(OWN_SECRET, HIDDEN).replace(SECRET_ASSIGNMENT, `$1${HIDDEN}`)
}

function snake(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toLowerCase()
}
