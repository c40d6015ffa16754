import type { LaunchTemplate } from './launch-template.js'
import { type Placeholder, type TemplateText, type TemplateValues } from './template-text.js'

/** A template's command and environment as words of a POSIX shell. */
export interface ShellCommand {
  /** The program and its arguments, each a word of its own. */
  readonly words: readonly string[]
  /** `NAME=word` of each environment variable that the template sets. */
  readonly assignments: readonly string[]
}

/** Variables of the machine's environment, by the placeholder that each stands for. */
export type References = Readonly<Partial<Record<Placeholder, string>>>

/** One word that a shell takes for exactly this text. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * Writes a template's command for a shell: every argument stays one argument, and no text of anybody's is read by the
 * shell. What only the machine knows, and what must not stand in the command, is the name of a variable there.
 * @param values checked by `launchCommand`
 * @param references which placeholders are variables; they go before values
 * @param secretNames variables that hold the template's secrets, by the secret's name; others are left out
 */
export function shellCommand(
  template: LaunchTemplate,
  values: TemplateValues,
  references: References,
  engineArgs: readonly string[],
  secretNames: ReadonlyMap<string, string>,
): ShellCommand {
  const word = (text: TemplateText) =>
    text
      .map((part) => {
        if (typeof part === 'string') return shellWord(part)
        const variable = references[part.placeholder]
        return variable === undefined ? shellWord(values[part.placeholder] ?? '') : `"$${variable}"`
      })
      .join('')
  const secrets = template.secrets.flatMap(({ name, env }) => {
    const variable = secretNames.get(name)
    return variable === undefined ? [] : [`${env}="$${variable}"`]
  })
  return {
    words: template.command.flatMap((text) => (text === null ? engineArgs.map(shellWord) : [word(text)])),
    assignments: [...[...template.env].map(([name, text]) => `${name}=${word(text)}`), ...secrets],
  }
}
