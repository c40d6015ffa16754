import type { Logger } from 'pino'
import { createPostgresBus } from './bus-postgres.js'
import { createRedisBus } from './bus-redis.js'
import { createBusTopics } from './bus-topics.js'
import type { Bus } from './bus-topics.js'
import type { RedisClient } from './redis.js'

export type { Bus, BusListener } from './bus-topics.js'

export type BusOptions = ({ readonly redis: RedisClient } | { readonly postgresUrl: string }) & {
  readonly logger?: Logger | undefined
}

/**
 * A bus over Redis pub/sub, or over Postgres LISTEN/NOTIFY where there is no Redis. Connects at once, and again for
 * ever when it loses its connection. Does not own the Redis client.
 */
export function createBus(options: BusOptions): Bus {
  const topics = createBusTopics(options.logger)
  return 'redis' in options
    ? createRedisBus(options.redis, topics)
    : createPostgresBus(options.postgresUrl, topics, options.logger)
}
