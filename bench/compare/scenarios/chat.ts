import type { PlannedRequest } from '../load/messages.js'

/** The model that the simulated nodes serve. */
export const MODEL = 'sim-8b'
export const CHAT_PATH = '/v1/chat/completions'

/** A chat request of about 150 bytes; `fields` are added to its body. */
export function chatRequest(
  headers: Readonly<Record<string, string>>,
  fields: Readonly<Record<string, unknown>>,
): PlannedRequest {
  const messages = [{ role: 'user', content: 'In one sentence: what does a reverse proxy do?' }]
  return { path: CHAT_PATH, headers, body: JSON.stringify({ model: MODEL, messages, ...fields }) }
}
