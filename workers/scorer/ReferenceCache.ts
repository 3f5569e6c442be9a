// Reference log-probs in KV: immutable records under content-addressed keys. Only a cache: whatever cannot be read, or is
// not exactly what its key promises, counts as missing. Values are read one by one because a bulk get decodes text.
import { Context, Effect, Layer, Schedule } from "effect"
import { LIMITS } from "#shared/wire/limits.ts"
import { decodeRecord, encodeRecord, type RecordMetadata } from "#shared/wire/reference-record.ts"
import { StorageFailed } from "./errors.ts"

const WRITE_RETRIES = 2

export interface CacheEntry {
  readonly key: string
  /** f32, nats, one a response token. */
  readonly logProbs: Float32Array
}

export interface CacheLookup {
  readonly key: string
  readonly responseTokens: number
}

const readOne = (kv: KVNamespace, { key, responseTokens }: CacheLookup) =>
  Effect.tryPromise({
    try: () => kv.getWithMetadata<Partial<RecordMetadata>>(key, "arrayBuffer"),
    catch: (cause) => new StorageFailed({ store: "KV", operation: `read ${key}`, cause }),
  }).pipe(
    Effect.map(({ value, metadata }) => (value === null ? undefined : decodeRecord(value, metadata, responseTokens))),
    Effect.catch((error) => Effect.as(Effect.logWarning(error.message), undefined)),
  )

const writeOne = (kv: KVNamespace, { key, logProbs }: CacheEntry) => {
  const { value, metadata } = encodeRecord(logProbs, "wasm")
  return Effect.tryPromise({
    try: () => kv.put(key, value, { metadata }),
    catch: (cause) => new StorageFailed({ store: "KV", operation: `write ${key}`, cause }),
  }).pipe(Effect.retry({ schedule: Schedule.exponential("100 millis"), times: WRITE_RETRIES }))
}

export class ReferenceCache extends Context.Service<
  ReferenceCache,
  {
    /** The keys whose records are whole. Never fails: a record that cannot be read is one to compute again. */
    readPresent(lookups: readonly CacheLookup[]): Effect.Effect<ReadonlySet<string>>
    /** Writes every record; fails when one was refused three times. */
    write(entries: readonly CacheEntry[]): Effect.Effect<void, StorageFailed>
  }
>()("yohaku/scorer/ReferenceCache") {
  static readonly layer = (kv: KVNamespace): Layer.Layer<ReferenceCache> =>
    Layer.succeed(ReferenceCache, {
      readPresent: (lookups) =>
        Effect.forEach(lookups, (lookup) => Effect.map(readOne(kv, lookup), (found) => ({ key: lookup.key, found })), {
          concurrency: LIMITS.concurrentCalls,
        }).pipe(Effect.map((all) => new Set(all.filter(({ found }) => found !== undefined).map(({ key }) => key)))),
      write: (entries) =>
        Effect.forEach(entries, (entry) => writeOne(kv, entry), { concurrency: LIMITS.concurrentCalls, discard: true }),
    })
}
