import { ResponseParser, type ResponseEvents } from '../../src/core/http-response.js'
import { createFrameWriter } from '../nodes/frames.js'
import type { MicroBench, MicroCase } from './harness/bench.js'
import { sink } from './harness/run.js'
import { readInto } from './inputs/read-buffer.js'
import { sampleId, sampleText } from './inputs/text.js'
import { chunk, reads, vllmFrames } from './inputs/vllm-stream.js'

const events: ResponseEvents = {
  onHead(head) {
    sink.result = head
  },
  onBody(bytes) {
    sink.result = bytes
  },
}

/** As uvicorn under vLLM writes it. */
function head(contentType: string, framing: string): string {
  return (
    'HTTP/1.1 200 OK\r\ndate: Thu, 09 Oct 2025 08:53:20 GMT\r\nserver: uvicorn\r\n' +
    `content-type: ${contentType}\r\n${framing}\r\n\r\n`
  )
}

/** A whole reply of about 500 bytes, in one read. */
function smallReply(seed: number): Buffer {
  const request = { id: sampleId(seed), model: 'llama-3.1-8b-instruct', createdAt: 1_760_000_000 }
  const writer = createFrameWriter('vllm', 'chat', request)
  const json = JSON.stringify(sampleText(seed, 40)).slice(1, -1)
  const piece = { text: json, extraBytes: Buffer.byteLength(json) - json.length }
  const body = writer.reply([{ piece, finish: 'stop' }], writer.usage(512, 12, 0)).text
  return Buffer.from(head('application/json', `content-length: ${Buffer.byteLength(body)}`) + body)
}

function streamCase(framesPerRead: number): MicroCase {
  const chunks = framesPerRead === 1 ? 'one chunk' : `${framesPerRead} chunks`
  return {
    name: `stream, ${chunks}`,
    operation: `ResponseParser.execute of a read of ${chunks}`,
    start() {
      const start = Buffer.from(head('text/event-stream; charset=utf-8', 'transfer-encoding: chunked'))
      const parts = [start, ...reads([...vllmFrames(1).map(chunk), '0\r\n\r\n'], framesPerRead)]
      const buffer = readInto(parts)
      const parser = new ResponseParser(events)
      return {
        run() {
          parser.execute(buffer.next())
          if (buffer.roundEnds) parser.reset(events)
          return parser
        },
      }
    },
  }
}

/** The parser of what nodes answer. */
export const httpResponse: MicroBench = {
  name: 'http-response',
  title: "a node's response; copying the read is included",
  cases: [
    {
      name: 'small reply',
      operation: 'ResponseParser.execute of a whole reply, head and body of about 650 bytes',
      start() {
        const buffer = readInto(Array.from({ length: 64 }, (_, index) => smallReply(index + 1)))
        const parser = new ResponseParser(events)
        return {
          run() {
            parser.execute(buffer.next())
            parser.reset(events)
            return parser
          },
        }
      },
    },
    streamCase(1),
    streamCase(8),
  ],
}
