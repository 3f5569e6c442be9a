// What an evaluation job gives: the policy's summed log-probs of a split's responses, in the pack's order. One JSON blob,
// which the runner writes and the orchestrator reads.
import { type Effect, Schema, SchemaTransformation } from "effect"
import { Digest } from "#shared/domain/Files.ts"

/** Nats. A policy that diverged gives sums that are not finite: JSON has no such number, it says null, which reads as NaN. */
const SumLogProb = Schema.NullOr(Schema.Finite).pipe(
  Schema.decodeTo(
    Schema.Number,
    SchemaTransformation.transform({
      decode: (sum: number | null) => sum ?? Number.NaN,
      encode: (sum: number) => (Number.isFinite(sum) ? sum : null),
    }),
  ),
)

const ResponseScore = Schema.Struct({ sum: SumLogProb, count: Schema.Int })

export const Evaluation = Schema.Struct({
  pairIds: Schema.Array(Digest),
  chosen: Schema.Array(ResponseScore),
  rejected: Schema.Array(ResponseScore),
})
export type Evaluation = typeof Evaluation.Type

const EvaluationJson = Schema.fromJsonString(Evaluation)
const encodeText = Schema.encodeSync(EvaluationJson)
const decodeText = Schema.decodeUnknownEffect(EvaluationJson)

export const encodeEvaluation = (evaluation: Evaluation): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(encodeText(evaluation)) as Uint8Array<ArrayBuffer>

export const decodeEvaluation = (bytes: Uint8Array): Effect.Effect<Evaluation, Schema.SchemaError> =>
  decodeText(new TextDecoder().decode(bytes))
