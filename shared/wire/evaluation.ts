// What an evaluation job gives: the policy's summed log-probs of a split's responses, in the pack's order. One safetensors blob, which
// the runner writes and the orchestrator reads: 57 bytes a pair, so that an isolate can hold that of a large pack.
import { Effect } from "effect"
import { bytesToHex, hexToBytes } from "#shared/formats/digest.ts"
import { readSafetensors, type Tensor, tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"

/** Σ log-prob in nats, NaN or infinite where a policy diverged, and the number of tokens. */
interface ResponseScore {
  readonly sum: number
  readonly count: number
}

export interface Evaluation {
  readonly pairIds: readonly string[]
  readonly chosen: readonly ResponseScore[]
  readonly rejected: readonly ResponseScore[]
  /** Whether a held-out pair's prompt nearly repeats a trained one (near-duplicates.ts); false throughout in a trained split. */
  readonly isNearDuplicate: readonly boolean[]
}

/** The bytes are no evaluation; the message says why. */
export class InvalidEvaluation extends Error {
  readonly _tag = "InvalidEvaluation"
}

const ID_BYTES = 32
const FORMAT = { format: "yohaku-evaluation", version: "1" }
const SIZES = { pair_ids: ID_BYTES, sums: 16, counts: 8, near_duplicates: 1 } as const

/** Chosen and rejected beside each other. */
const inTurn = ({ chosen, rejected }: Evaluation, of: keyof ResponseScore): number[] =>
  chosen.flatMap((score, index) => [score[of], rejected[index]![of]])

export const encodeEvaluation = (evaluation: Evaluation): Uint8Array<ArrayBuffer> => {
  const { pairIds, isNearDuplicate } = evaluation
  const count = pairIds.length
  const ids = new Uint8Array(count * ID_BYTES)
  pairIds.forEach((id, index) => {
    ids.set(hexToBytes(id), index * ID_BYTES)
  })
  const sums = Float64Array.from(inTurn(evaluation, "sum"))
  const tensors: Tensor[] = [
    tensorOf("pair_ids", [count, ID_BYTES], ids),
    { name: "sums", dtype: "F64", shape: [count, 2], data: new Uint8Array(sums.buffer) },
    tensorOf("counts", [count, 2], Uint32Array.from(inTurn(evaluation, "count"))),
    tensorOf("near_duplicates", [count], Uint8Array.from(isNearDuplicate, Number)),
  ]
  return writeSafetensors(tensors, FORMAT)
}

const read = (bytes: Uint8Array): Evaluation => {
  const { tensors, metadata } = readSafetensors(bytes)
  if (metadata.format !== FORMAT.format || metadata.version !== FORMAT.version)
    throw new InvalidEvaluation(`it is no ${FORMAT.format} of version ${FORMAT.version}; update the runner`)
  const count = tensors.get("pair_ids")?.shape[0] ?? 0
  const viewOf = (name: keyof typeof SIZES): DataView => {
    const data = tensors.get(name)?.data
    if (data?.length !== count * SIZES[name])
      throw new InvalidEvaluation(
        `its ${name} have ${data?.length ?? "no"} bytes where ${count} pairs take ${count * SIZES[name]}; update the runner`,
      )
    return new DataView(data.buffer, data.byteOffset, data.byteLength)
  }
  const [ids, sums, counts, near] = [viewOf("pair_ids"), viewOf("sums"), viewOf("counts"), viewOf("near_duplicates")]
  const scores = (side: 0 | 1): ResponseScore[] =>
    Array.from({ length: count }, (_, pair) => ({
      sum: sums.getFloat64(16 * pair + 8 * side, true),
      count: counts.getUint32(8 * pair + 4 * side, true),
    }))
  return {
    pairIds: Array.from({ length: count }, (_, pair) =>
      bytesToHex(new Uint8Array(ids.buffer, ids.byteOffset + pair * ID_BYTES, ID_BYTES)),
    ),
    chosen: scores(0),
    rejected: scores(1),
    isNearDuplicate: Array.from({ length: count }, (_, pair) => near.getUint8(pair) !== 0),
  }
}

export const decodeEvaluation = (bytes: Uint8Array): Effect.Effect<Evaluation, InvalidEvaluation> =>
  Effect.try({
    try: () => read(bytes),
    catch: (error) =>
      error instanceof InvalidEvaluation
        ? error
        : new InvalidEvaluation(`it is no safetensors file: ${(error as Error).message}`),
  })
