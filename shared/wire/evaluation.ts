// What an evaluation job gives: the policy's summed log-probs of a split's responses, in the pack's order, and how it behaves beside its base
// (shared/gates/behaviour.ts). One safetensors blob, which the runner writes and the orchestrator reads: 58 bytes a pair, so that an isolate can
// hold that of a large pack, and some tens of kilobytes besides.
import { Effect, Schema } from "effect"
import { bytesToHex, hexToBytes } from "#shared/formats/digest.ts"
import { readSafetensors, type Tensor, tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { Behaviour } from "#shared/gates/behaviour.ts"
import { SCRIPTS, type Script } from "#shared/gates/script.ts"

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
  /** The writing system of each pair's prompt; absent where `behaviour` is. */
  readonly promptScripts?: readonly Script[]
  /** Absent: an older runner's, or of a model that is only compared with. */
  readonly behaviour?: Behaviour
}

/** The bytes are no evaluation; the message says why. */
export class InvalidEvaluation extends Error {
  readonly _tag = "InvalidEvaluation"
}

const ID_BYTES = 32
const FORMAT = "yohaku-evaluation"
/** Of log-probs alone, as older runners write it; and with what the policy does. */
const [PLAIN, WITH_BEHAVIOUR] = ["1", "2"]
const SIZES = { pair_ids: ID_BYTES, sums: 16, counts: 8, near_duplicates: 1, prompt_scripts: 1 } as const
/** Of the behaviour's JSON. */
const MOST_BEHAVIOUR_BYTES = 8 * 2 ** 20

/** Chosen and rejected beside each other. */
const inTurn = ({ chosen, rejected }: Evaluation, of: keyof ResponseScore): number[] =>
  chosen.flatMap((score, index) => [score[of], rejected[index]![of]])

export const encodeEvaluation = (evaluation: Evaluation): Uint8Array<ArrayBuffer> => {
  const { pairIds, isNearDuplicate, promptScripts, behaviour } = evaluation
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
  if (behaviour === undefined) return writeSafetensors(tensors, { format: FORMAT, version: PLAIN })
  const text = new TextEncoder().encode(JSON.stringify(encodeBehaviour(behaviour)))
  const scripts = Uint8Array.from(promptScripts ?? pairIds.map(() => "none" as const), (of) => SCRIPTS.indexOf(of))
  tensors.push(tensorOf("prompt_scripts", [count], scripts), tensorOf("behaviour", [text.length], text))
  return writeSafetensors(tensors, { format: FORMAT, version: WITH_BEHAVIOUR })
}

const encodeBehaviour = Schema.encodeSync(Behaviour)
const decodeBehaviour = Schema.decodeUnknownSync(Schema.fromJsonString(Behaviour))

const behaviourOf = (data: Uint8Array | undefined): Behaviour => {
  if (data === undefined || data.length > MOST_BEHAVIOUR_BYTES)
    throw new InvalidEvaluation(
      `its behaviour has ${data?.length ?? "no"} bytes, and at most ${MOST_BEHAVIOUR_BYTES} are read; update the runner`,
    )
  try {
    return decodeBehaviour(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data))
  } catch (error) {
    throw new InvalidEvaluation(`its behaviour cannot be read (${(error as Error).message}); update the runner`)
  }
}

const read = (bytes: Uint8Array): Evaluation => {
  const { tensors, metadata } = readSafetensors(bytes)
  const isWithBehaviour = metadata.version === WITH_BEHAVIOUR
  if (metadata.format !== FORMAT || (metadata.version !== PLAIN && !isWithBehaviour))
    throw new InvalidEvaluation(`it is no ${FORMAT} of version ${PLAIN} or ${WITH_BEHAVIOUR}; update the runner`)
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
    ...(isWithBehaviour
      ? {
          promptScripts: scriptsIn(viewOf("prompt_scripts"), count),
          behaviour: behaviourOf(tensors.get("behaviour")?.data),
        }
      : {}),
  }
}

const scriptsIn = (view: DataView, count: number): Script[] =>
  Array.from({ length: count }, (_, pair) => SCRIPTS[view.getUint8(pair)] ?? "other")

export const decodeEvaluation = (bytes: Uint8Array): Effect.Effect<Evaluation, InvalidEvaluation> =>
  Effect.try({
    try: () => read(bytes),
    catch: (error) =>
      error instanceof InvalidEvaluation
        ? error
        : new InvalidEvaluation(`it is no safetensors file: ${(error as Error).message}`),
  })
