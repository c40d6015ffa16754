/** What a launch template may leave open, and what stands there in the end. */
export const PLACEHOLDERS = [
  /** The model as the engine finds it: a name on a hub, or a folder. */
  'model',
  /** The name under which the node serves it. */
  'served_model_name',
  /** The address that the engine listens on. */
  'host',
  'port',
  /** What the engine demands as a bearer token. */
  'api_key',
  /** How many GPUs the node has. */
  'gpu_count',
  /** The Node.js program that the gateway runs on. */
  'node',
  /** The gateway's own folder. */
  'package_root',
] as const
export type Placeholder = (typeof PLACEHOLDERS)[number]

/** Stands for a list of arguments, hence alone in an item of the command. */
export const LIST_PLACEHOLDER = 'engine_args'

/** Text between placeholders, and placeholders, in turn. */
export type TemplateText = readonly (string | { readonly placeholder: Placeholder })[]

/** What is wrong with a launch template, or with what it is given: names the file, the field and the placeholder. */
export class LaunchTemplateError extends Error {
  override readonly name = 'LaunchTemplateError'
}

const OPEN = '{{'
const CLOSE = '}}'

/**
 * A text with its placeholders known. Two closing braces alone are text: JSON has them.
 * @param where for errors: the file and the field
 * @throws LaunchTemplateError for a placeholder that is unknown, not closed, within another or a list
 */
export function compileText(text: string, where: string): TemplateText {
  const parts: (string | { readonly placeholder: Placeholder })[] = []
  let at = 0
  for (let open = text.indexOf(OPEN); open !== -1; open = text.indexOf(OPEN, at)) {
    const close = text.indexOf(CLOSE, open)
    if (close === -1)
      throw new LaunchTemplateError(`${where}: the placeholder '${text.slice(open)}' is not closed`)
    const name = text.slice(open + OPEN.length, close).trim()
    if (name.includes('{')) {
      const message = `${where}: a placeholder stands within the placeholder '${text.slice(open)}'`
      throw new LaunchTemplateError(message)
    }
    if (open > at) parts.push(text.slice(at, open))
    parts.push({ placeholder: placeholderNamed(name, where) })
    at = close + CLOSE.length
  }
  if (at < text.length || parts.length === 0) parts.push(text.slice(at))
  return parts
}

function placeholderNamed(name: string, where: string): Placeholder {
  const known = PLACEHOLDERS.find((placeholder) => placeholder === name)
  if (known !== undefined) return known
  if (name === LIST_PLACEHOLDER) {
    const message = `${where}: the placeholder '{{${name}}}' is a list: it stands alone in one item of the command`
    throw new LaunchTemplateError(message)
  }
  const all = [...PLACEHOLDERS, LIST_PLACEHOLDER].join(', ')
  throw new LaunchTemplateError(`${where}: the placeholder '{{${name}}}' is unknown; known are ${all}`)
}

/** Whether a text is `{{engine_args}}` and nothing else. */
export function isListPlaceholder(text: string): boolean {
  return text.startsWith(OPEN) && text.endsWith(CLOSE) && text.slice(2, -2).trim() === LIST_PLACEHOLDER
}

/** What stands for each placeholder; one that is absent must not be used. */
export type TemplateValues = Readonly<Partial<Record<Placeholder, string>>>

/**
 * A text with its values in place. They are put in as they are: what looks like a placeholder in a value stays text.
 * @param where for errors: the file and the field
 * @throws LaunchTemplateError for a value that is missing, empty or not printable, or that would make a text which is
 *   nothing but a placeholder look like a flag
 */
export function fillText(text: TemplateText, values: TemplateValues, where: string): string {
  return text
    .map((part) => {
      if (typeof part === 'string') return part
      const value = values[part.placeholder]
      const what = `${where}: the value of '{{${part.placeholder}}}'`
      if (value === undefined || value === '') throw new LaunchTemplateError(`${what} is missing`)
      if (!isPrintable(value)) throw new LaunchTemplateError(`${what} holds control characters`)
      if (text[0] === part && value.startsWith('-')) {
        throw new LaunchTemplateError(`${what} begins with '-', which an engine would read as a flag`)
      }
      return value
    })
    .join('')
}

/** Whether a text holds no control character and no half of a surrogate pair. */
export function isPrintable(text: string): boolean {
  return !/[\p{Cc}\p{Cs}]/u.test(text)
}
