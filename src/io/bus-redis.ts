import { Cluster } from 'ioredis'
import { checkTopic, fitsBus } from './bus-topics.js'
import type { Bus, BusTopics } from './bus-topics.js'
import type { RedisClient } from './redis.js'

const PREFIX = 'crosslogic:bus:'

/** The bus over Redis pub/sub. Publishes through the given client; subscribes through one of its own. */
export function createRedisBus(redis: RedisClient, topics: BusTopics): Bus {
  // A connection that subscribes can do nothing else.
  const subscriber: RedisClient =
    redis instanceof Cluster ? redis.duplicate() : redis.duplicate({ autoResubscribe: false })
  let connected = false
  subscriber.on('error', () => {}) // The client that was given logs the state of Redis.
  subscriber.on('close', () => {
    connected = false
  })
  subscriber.on('ready', () => {
    const channels = topics.names().map((topic) => PREFIX + topic)
    const subscribed = channels.length === 0 ? Promise.resolve() : subscriber.subscribe(...channels)
    subscribed.then(
      () => {
        connected = true
        topics.connected()
      },
      () => {
        subscriber.disconnect(true)
      },
    )
  })
  subscriber.on('message', (channel: string, payload: string) => {
    topics.deliver(channel.slice(PREFIX.length), payload)
  })
  const close = async () => {
    subscriber.disconnect()
    await Promise.resolve()
  }
  return {
    get connected() {
      return connected
    },
    async publish(topic, payload) {
      checkTopic(topic)
      if (!fitsBus(payload)) return false
      return redis.publish(PREFIX + topic, payload).then(
        () => true,
        () => false,
      )
    },
    subscribe(topic, listener) {
      checkTopic(topic)
      // Failures come with the loss of the connection, and the next one subscribes to everything.
      if (topics.add(topic, listener) && subscriber.status === 'ready') {
        subscriber.subscribe(PREFIX + topic).catch(() => {})
      }
      return () => {
        if (topics.remove(topic, listener) && subscriber.status === 'ready') {
          subscriber.unsubscribe(PREFIX + topic).catch(() => {})
        }
      }
    },
    onConnect: topics.onConnect,
    close,
    [Symbol.asyncDispose]: close,
  }
}
