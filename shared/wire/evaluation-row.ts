// An evaluation's row in D1: the orchestrator writes it step by step, and whoever shows evaluations reads it.
import { Schema } from "effect"
import { ModelEvaluation } from "#shared/domain/ModelEvaluation.ts"

export interface EvaluationRow {
  readonly id: string
  readonly model_name: string
  readonly version: number
  /** JSON of `StoredSettings`. */
  readonly settings: string
  readonly prompts_digest: string
  readonly status: string
  readonly step: string
  /** JSON of `EvaluationDetail`. */
  readonly detail: string
  readonly error: string | null
  readonly created_at: number
  readonly updated_at: number
}

export type StoredSettings = Pick<ModelEvaluation, "against" | "judge" | "answering">

const decodeEvaluation = Schema.decodeUnknownSync(ModelEvaluation)

/** The evaluation of a row. Throws Schema's error where the row holds none. */
export const evaluationOfRow = (row: EvaluationRow): ModelEvaluation =>
  decodeEvaluation({
    id: row.id,
    model: { name: row.model_name, version: row.version },
    prompts: row.prompts_digest,
    ...(JSON.parse(row.settings) as StoredSettings),
    status: row.status,
    step: row.step,
    detail: JSON.parse(row.detail),
    ...(row.error === null ? {} : { error: row.error }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  })
