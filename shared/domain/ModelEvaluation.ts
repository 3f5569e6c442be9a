// An evaluation of a model: its answers to the prompts of a suite, held against others' answers by a judge, and what came of it.
import { Schema } from "effect"
import { Count, TimeMs } from "./bounds.ts"
import { EvaluationSettings } from "./EvaluationSettings.ts"
import { Digest } from "./Files.ts"
import { ModelReference } from "./ModelReference.ts"
import { Run } from "./Run.ts"
import { JudgeAccuracy, ResponsesByName, WinRate } from "./WinRate.ts"

/** What each step reported; a key is absent until its step has finished. */
export const EvaluationDetail = Schema.Struct({
  generate: Schema.optionalKey(
    Schema.Struct({
      /** By name@version: a blob of JSON Lines, {"id", "responses": [{"text", "tokens", "finishReason", "sumLogProb"}]}. */
      responses: ResponsesByName,
    }),
  ),
  judge: Schema.optionalKey(
    Schema.Struct({
      /** Blob of JSON Lines: the judge's log-probs of every answer; of an endpoint, what it was asked and every answer as it came. */
      scores: Digest,
      /** Blob of canonical JSON: the win rates with all that they are of. */
      report: Digest,
      prompts: Count,
      winRates: Schema.Array(WinRate),
      /** Absent: the suite holds no pairs that people judged. */
      judgeAccuracy: Schema.optionalKey(JudgeAccuracy),
    }),
  ),
}).annotate({ identifier: "EvaluationDetail" })
export type EvaluationDetail = typeof EvaluationDetail.Type

export const EvaluationStep = Schema.Literals(["generate", "judge", "done"])

export const ModelEvaluation = Schema.Struct({
  id: Schema.String,
  /** The candidate. */
  model: ModelReference,
  against: Schema.Array(ModelReference),
  ...EvaluationSettings.fields,
  status: Schema.Literals(["running", "succeeded", "failed", "cancelled"]),
  step: EvaluationStep,
  detail: EvaluationDetail,
  progress: Run.fields.progress,
  /** Why it stands still while it is under way, where it does. */
  standing: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String),
  createdAt: TimeMs,
  updatedAt: TimeMs,
}).annotate({ identifier: "ModelEvaluation" })
export type ModelEvaluation = typeof ModelEvaluation.Type
