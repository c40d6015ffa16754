import { DEFAULT_OUTPUT_TOKENS } from './plan.js'

/** What `bench load --help` prints. */
export const LOAD_HELP = `Puts load on an OpenAI-compatible server and measures what its clients would see.

usage: load [options]

Server
  --url URL              with or without /v1 (http://127.0.0.1:8080)
  --key KEY              bearer token (CROSSLOGIC_API_KEY, else OPENAI_API_KEY)
  --model NAME           (the only one that /v1/models lists)
  --header NAME:VALUE    sent with each request; repeat it for more
  --insecure             accept any TLS certificate

Load: open or closed loop, --concurrency 10 without any of these
  --rate N               open loop: N requests per second, whether or not earlier ones are answered; latencies
                         count from the time at which a request was to be sent, so that none is hidden
  --arrivals NAME        of the open loop: constant | poisson (constant)
  --concurrency N        closed loop: N requests at a time, each followed by the next
  --ramp FROM:TO:SECONDS the load grows evenly, then stays at TO until --duration; with --mode
  --steps A,B,C          one load after another, --duration each; with --mode
  --mode NAME            what ramp and steps count: rate | concurrency (rate)
  --warm-up TIME         sent first and not counted (0s)
  --duration TIME        of the measured part, or of each step (30s; with --ramp its seconds)
  --requests N           instead of a duration: how many
  --max-open N           most connections at once; when they are in use, requests wait and count on (10000)
  --timeout TIME         of a request (600s)
  --abort-rate F         share of the requests that are left at a random moment (0)
  --processes N          generator processes that share the load (1)

Requests
  --endpoint NAME        chat | completions | embeddings (chat)
  --no-stream            whole replies; embeddings always are
  --prompt-tokens L      length of synthetic prompts (256)
  --output-tokens L      max_tokens (what the prompt file says, else ${DEFAULT_OUTPUT_TOKENS})
                         L: 512 | uniform:100-900 | normal:MEAN,DEVIATION | lognormal:MEDIAN,SIGMA
  --shared-prefix N      tokens before each synthetic prompt that others have as well (0)
  --prefixes N           how many different shared prefixes (1)
  --prompts FILE         JSON lines {"prompt":…}, {"messages":[…]} or whole bodies; or a JSON array of such or of
                         ShareGPT conversations. Used in order, again and again
  --body-field NAME=JSON added to each body, for example ignore_eos=true; repeat it for more
  --seed N               of prompts, lengths, arrivals and aborts (1)

Result
  --slo LIST             thresholds of a good request: ttft=500ms,itl=50ms,e2e=10s; itl is its mean gap
  --out FILE             the result as JSON
  --report FILE          the result as one HTML page
  --help

TIME: 500ms, 10s, 2m; without a unit seconds. Synthetic prompts are words of one token each in common vocabularies;
the table and the JSON hold what the server itself counted, where it says so.
Ctrl-C prints what was measured so far, a second one stops at once. Exit code 0; 1 when no request was answered,
2 for what has to be put right first, 130 after Ctrl-C.
`
