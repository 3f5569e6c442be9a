// The Evaluate workflow: a model's answers held against others' by a judge. What it takes, what its steps give, how it may fail. Retrain does the
// same steps for a candidate before it decides about it.
import { Schema } from "effect"
import { Workflow } from "effect/workflow"
import { Version } from "#shared/domain/bounds.ts"
import { EvaluationDetail } from "#shared/domain/ModelEvaluation.ts"
import { Comparison } from "./comparison.ts"
import { JobFailed, ResultUnusable } from "./retrain.ts"

export const EvaluatePayload = Schema.Struct({
  modelName: Schema.String,
  version: Version,
  /** Two requests of one model and key are one evaluation. */
  key: Schema.String,
  comparison: Comparison,
  limits: Schema.Struct({ steps: Schema.Int, hours: Schema.Finite }),
  /** Milliseconds since the Unix epoch. */
  createdAt: Schema.Int,
})
export type EvaluatePayload = typeof EvaluatePayload.Type

export const Generated = EvaluationDetail.fields.generate.schema
export type Generated = typeof Generated.Type

export const Judged = EvaluationDetail.fields.judge.schema
export type Judged = typeof Judged.Type

export const EvaluateFailure = Schema.Union([JobFailed, ResultUnusable])

/** Starts with answers, ends with win rates. */
export const Evaluate = Workflow.make("Evaluate", {
  payload: EvaluatePayload,
  success: Judged,
  error: EvaluateFailure,
  idempotencyKey: ({ modelName, key }) => `${modelName}\n${key}`,
})

/** The activities, in the order in which they run; jobs are posted and awaited as Retrain's are. */
export const EvaluateActivities = {
  generate: { success: Generated, error: ResultUnusable },
  judge: { success: Judged, error: ResultUnusable },
} as const
