// What a step's gradient is computed from.
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { DistributionReads, RowScores } from "./score-rows.ts"
import type { StepDirections } from "./step-directions.ts"
import type { BatchLoss } from "./step-loss.ts"

export type LossOf = (rows: readonly TokenRow[], scores: readonly RowScores[]) => BatchLoss

export interface StepInputs {
  readonly rows: readonly TokenRow[]
  /** Most tokens computed at once. */
  readonly tokenBudget: number
  readonly lossOf: LossOf
  readonly reads?: DistributionReads | undefined
  /** Keep the layers' inputs instead of all activations; see forwardDecoder. */
  readonly checkpointing?: boolean | undefined
  /** What is known of the gradient before the loss, where anything is and the memory for it is there. */
  readonly directions?: StepDirections | undefined
}
