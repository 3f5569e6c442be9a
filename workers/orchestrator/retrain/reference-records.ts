// Reads reference log-probs from KV. A record is whole or it counts as missing: length, version, finiteness, sign and sum
// must agree with what its key promises. Values are read one by one, because KV's bulk read decodes them as text.
import { Effect } from "effect"
import { Bindings } from "../Environment.ts"
import { call } from "./transient.ts"

const RECORD_VERSION = 1
const FINGERPRINT_DIGITS = 16
const CONCURRENT_READS = 12
const SUM_TOLERANCE_NATS_PER_TOKEN = 1e-3

interface RecordMetadata {
  readonly s: number
  readonly n: number
  readonly v: number
}

const recordKey = (fingerprint: string, responseDigest: string): string =>
  `rl1:${fingerprint.slice(0, FINGERPRINT_DIGITS)}:${responseDigest}`

/** The record's log-probs (nats, one a response token), or undefined when anything about it is wrong. */
export const decodeRecord = (
  value: ArrayBuffer,
  metadata: Partial<RecordMetadata> | null,
  responseTokens: number,
): Float32Array | undefined => {
  if (value.byteLength !== 4 * responseTokens) return undefined
  if (metadata?.v !== RECORD_VERSION || metadata.n !== responseTokens) return undefined
  const view = new DataView(value)
  const logProbs = Float32Array.from({ length: responseTokens }, (_, index) => view.getFloat32(4 * index, true))
  const isLogProb = (x: number) => Number.isFinite(x) && x <= SUM_TOLERANCE_NATS_PER_TOKEN
  if (!logProbs.every(isLogProb)) return undefined
  const sum = logProbs.reduce((total, x) => total + x, 0)
  const isSumRight = Math.abs((metadata.s ?? Number.NaN) - sum) <= SUM_TOLERANCE_NATS_PER_TOKEN * responseTokens
  return isSumRight ? logProbs : undefined
}

export interface ResponseKey {
  readonly responseDigest: string
  readonly responseTokens: number
}

/** The records of these responses, in their order; undefined where one is missing or malformed. */
export const readRecords = Effect.fnUntraced(function* (fingerprint: string, responses: readonly ResponseKey[]) {
  const { REFERENCES } = yield* Bindings
  return yield* Effect.forEach(
    responses,
    ({ responseDigest, responseTokens }) =>
      call("read a reference record", () =>
        REFERENCES.getWithMetadata<Partial<RecordMetadata>>(recordKey(fingerprint, responseDigest), "arrayBuffer"),
      ).pipe(
        Effect.map(({ value, metadata }) =>
          value === null ? undefined : decodeRecord(value, metadata, responseTokens),
        ),
      ),
    { concurrency: CONCURRENT_READS },
  )
})
