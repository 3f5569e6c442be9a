// A response's reference log-probs as KV keeps them: an immutable record under a key that names model and tokens. A record is
// whole or it counts as missing: length, count, version, finiteness, sign and sum must agree with what its key promises.

const RECORD_VERSION = 1
const FINGERPRINT_DIGITS = 16
/** Of the sum, and of how far above 0 rounding may lift a log-prob. */
const TOLERANCE_NATS_PER_TOKEN = 1e-3

/** What a record says beside its values. */
export interface RecordMetadata {
  /** Sum of the values, nats. */
  readonly s: number
  /** Count of the values. */
  readonly n: number
  /** Where they were computed. */
  readonly ep: "wasm" | "webgpu"
  readonly v: number
}

export interface ReferenceRecord {
  /** [n] f32 little-endian, whatever the machine: nats, one a response token. */
  readonly value: ArrayBuffer
  readonly metadata: RecordMetadata
}

/** The KV key of a response's log-probs under a reference model. */
export const recordKey = (referenceFingerprint: string, responseDigest: string): string =>
  `rl1:${referenceFingerprint.slice(0, FINGERPRINT_DIGITS)}:${responseDigest}`

const sumOf = (logProbs: Float32Array): number => logProbs.reduce((sum, logProb) => sum + logProb, 0)

export const encodeRecord = (logProbs: Float32Array, computedBy: RecordMetadata["ep"]): ReferenceRecord => {
  const view = new DataView(new ArrayBuffer(4 * logProbs.length))
  logProbs.forEach((logProb, index) => {
    view.setFloat32(4 * index, logProb, true)
  })
  return {
    value: view.buffer,
    metadata: { s: sumOf(logProbs), n: logProbs.length, ep: computedBy, v: RECORD_VERSION },
  }
}

/** Whether a value may stand in a record: a log-prob is no number above 0, but for what rounding lifts it. */
export const isLogProb = (value: number): boolean => Number.isFinite(value) && value <= TOLERANCE_NATS_PER_TOKEN

/** The record's log-probs, or undefined when anything about it is wrong. */
export const decodeRecord = (
  value: ArrayBuffer,
  metadata: Partial<RecordMetadata> | null,
  responseTokens: number,
): Float32Array | undefined => {
  if (value.byteLength !== 4 * responseTokens) return undefined
  if (metadata?.v !== RECORD_VERSION || metadata.n !== responseTokens) return undefined
  const view = new DataView(value)
  const logProbs = Float32Array.from({ length: responseTokens }, (_, index) => view.getFloat32(4 * index, true))
  if (!logProbs.every(isLogProb)) return undefined
  const difference = Math.abs((metadata.s ?? Number.NaN) - sumOf(logProbs))
  return difference <= TOLERANCE_NATS_PER_TOKEN * responseTokens ? logProbs : undefined
}
