import { sampleBytes, sampleText } from './text.js'

/** A chat request of about so many bytes, nearly all of them in the last message. */
export function textBody(seed: number, bytes: number): Buffer {
  const system = {
    role: 'system',
    content: 'You are a helpful assistant. Answer briefly, and cite your sources.',
  }
  const bodyOf = (units: number): Buffer =>
    chatBody(seed, [system, { role: 'user', content: sampleText(seed, units) }])
  const empty = bodyOf(0).length
  // Text takes more bytes in JSON than it has units; once is near enough.
  const first = bodyOf(bytes - empty)
  return bodyOf(Math.round(((bytes - empty) * (bytes - empty)) / (first.length - empty)))
}

/** A chat request about an image, which stands in it as a data URL that makes the body about so large. */
export function imageBody(seed: number, bytes: number): Buffer {
  const image = sampleBytes(seed, Math.round((bytes * 3) / 4)).toString('base64')
  return chatBody(seed, [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What does this picture show?' },
        { type: 'image_url', image_url: { url: `data:image/png;base64,${image}` } },
      ],
    },
  ])
}

/** The members in the order in which the official Python client writes them. */
function chatBody(seed: number, messages: readonly unknown[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      messages,
      model: 'llama-3.1-8b-instruct',
      max_tokens: 256 + seed,
      seed,
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0.7,
      user: `user-${seed}`,
    }),
  )
}
