// Reference log-probs in KV: immutable records under content-addressed keys. Only a cache: whatever cannot be read, or is
// not exactly what its key promises, counts as missing. Values are read one by one because a bulk get decodes text.
import { Context, Effect, Layer, Schedule } from "effect"
import { StorageFailed } from "./errors.ts"

const RECORD_VERSION = 1
const FINGERPRINT_DIGITS = 16
/** The platform opens six connections at a time and queues the rest; more here only holds memory. */
const CONCURRENT_CALLS = 12
const WRITE_RETRIES = 2
const SUM_TOLERANCE_NATS_PER_TOKEN = 1e-3

/** What the record of a response says beside its values. */
interface RecordMetadata {
  /** Sum of the values, nats. */
  readonly s: number
  /** Count of the values. */
  readonly n: number
  /** Where they were computed. */
  readonly ep: "wasm" | "webgpu"
  readonly v: number
}

export interface CacheEntry {
  readonly key: string
  /** f32, nats, one a response token. */
  readonly logProbs: Float32Array
}

export interface CacheLookup {
  readonly key: string
  readonly responseTokens: number
}

/** The KV key of a response's log-probs under a reference model. */
export const cacheKey = (referenceFingerprint: string, responseDigest: string): string =>
  `rl1:${referenceFingerprint.slice(0, FINGERPRINT_DIGITS)}:${responseDigest}`

const sumOf = (logProbs: Float32Array): number => logProbs.reduce((sum, logProb) => sum + logProb, 0)

/** f32 little-endian, whatever the machine. */
const encode = (logProbs: Float32Array): ArrayBuffer => {
  const view = new DataView(new ArrayBuffer(4 * logProbs.length))
  logProbs.forEach((logProb, index) => {
    view.setFloat32(4 * index, logProb, true)
  })
  return view.buffer
}

/** The record's values, or undefined unless length, metadata, finiteness, sign and sum all agree. */
export const decodeRecord = (
  value: ArrayBuffer,
  metadata: Partial<RecordMetadata> | null,
  responseTokens: number,
): Float32Array | undefined => {
  if (value.byteLength !== 4 * responseTokens) return undefined
  if (metadata?.v !== RECORD_VERSION || metadata.n !== responseTokens) return undefined
  const view = new DataView(value)
  const logProbs = Float32Array.from({ length: responseTokens }, (_, index) => view.getFloat32(4 * index, true))
  if (!logProbs.every((logProb) => Number.isFinite(logProb) && logProb <= SUM_TOLERANCE_NATS_PER_TOKEN))
    return undefined
  const isSumRight =
    Math.abs((metadata.s ?? Number.NaN) - sumOf(logProbs)) <= SUM_TOLERANCE_NATS_PER_TOKEN * responseTokens
  return isSumRight ? logProbs : undefined
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
  const metadata: RecordMetadata = { s: sumOf(logProbs), n: logProbs.length, ep: "wasm", v: RECORD_VERSION }
  return Effect.tryPromise({
    try: () => kv.put(key, encode(logProbs), { metadata }),
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
          concurrency: CONCURRENT_CALLS,
        }).pipe(Effect.map((all) => new Set(all.filter(({ found }) => found !== undefined).map(({ key }) => key)))),
      write: (entries) =>
        Effect.forEach(entries, (entry) => writeOne(kv, entry), { concurrency: CONCURRENT_CALLS, discard: true }),
    })
}
