// The gradient of one optimiser step. The loss needs the scores of the whole step before any response's derivative is known, so:
// a step of one micro-batch keeps its activations and is never computed twice; a step of several is scored first, and each
// micro-batch's forward pass is computed again right before its backward pass.
import { microBatches, packRows } from "#gpu-runner/data/rows/pack-rows.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { backwardDecoder, type DecoderPass, forwardDecoder } from "#gpu-runner/models/decoder.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { type PackedBatch, uploadBatch } from "#gpu-runner/models/packed-batch.ts"
import { sumOfSquares } from "#gpu-runner/ops/reduce.ts"
import { tokenGradient } from "#shared/preference/pair-log-probs.ts"
import { type DivergencePass, forwardDivergence } from "./divergence-pass.ts"
import { type DistributionReads, type RowScores, readScores, type ScoredBatch, scoreMicroBatch } from "./score-rows.ts"
import type { BatchLoss } from "./step-loss.ts"

export interface StepGradient {
  readonly loss: BatchLoss
  /** Mean entropy over the tokens of the rows' own responses, nats. */
  readonly entropy: number
  readonly scoredTokens: number
}

export type LossOf = (rows: readonly TokenRow[], scores: readonly RowScores[]) => BatchLoss

export interface StepInputs {
  readonly rows: readonly TokenRow[]
  /** Most tokens computed at once. */
  readonly tokenBudget: number
  readonly lossOf: LossOf
  readonly reads?: DistributionReads | undefined
  /** Keep the layers' inputs instead of all activations; see forwardDecoder. */
  readonly checkpointing?: boolean | undefined
}

/** Leaves the step's gradient in the model's bank, unless the loss is not finite: then the gradients are zero. */
export async function gradientStep(context: OpContext, model: Decoder, inputs: StepInputs): Promise<StepGradient> {
  const groups = microBatches(inputs.rows, inputs.tokenBudget)
  model.trained!.zeroGradients()
  return groups.length === 1 ? keptStep(context, model, inputs) : recomputedStep(context, model, inputs, groups)
}

/** √Σg² over all trained parameters, as a sum of squares [1] on the device. */
export function gradientSumOfSquares(context: OpContext, model: Decoder): Tensor {
  return sumOfSquares(
    context,
    model.trained!.shards.map(({ gradient }) => gradient),
  )
}

/** Everything that a micro-batch's backward pass needs, in the open scope. */
interface Forward {
  readonly batch: PackedBatch
  readonly scoredOffsets: Uint32Array
  readonly pass: DecoderPass
  readonly divergence: DivergencePass | undefined
}

async function keptStep(
  context: OpContext,
  model: Decoder,
  { rows, lossOf, reads = {}, checkpointing }: StepInputs,
): Promise<StepGradient> {
  const scope = context.memory.openScope()
  try {
    const forward = openForward(context, model, rows, { reads, checkpointing })
    const { pass, divergence, scoredOffsets } = forward
    const scored = await readScores(context, rows, scoredOffsets, pass, reads, divergence?.divergence)
    const loss = lossOf(rows, scored.scores)
    if (Number.isFinite(loss.loss)) backward(context, model, forward, rows, loss, 0)
    return summary(loss, [scored])
  } finally {
    scope.close()
  }
}

async function recomputedStep(
  context: OpContext,
  model: Decoder,
  { lossOf, reads = {}, checkpointing }: StepInputs,
  groups: readonly (readonly TokenRow[])[],
): Promise<StepGradient> {
  const scored: ScoredBatch[] = []
  for (const group of groups) scored.push(await scoreMicroBatch(context, model, group, reads))
  const loss = lossOf(
    groups.flat(),
    scored.flatMap((batch) => batch.scores),
  )
  let firstRow = 0
  for (const group of Number.isFinite(loss.loss) ? groups : []) {
    context.memory.withScope(() => {
      backward(context, model, openForward(context, model, group, { reads, checkpointing }), group, loss, firstRow)
      return undefined
    })
    firstRow += group.length
  }
  return summary(loss, scored)
}

function openForward(
  context: OpContext,
  model: Decoder,
  rows: readonly TokenRow[],
  { reads = {}, checkpointing }: Pick<StepInputs, "reads" | "checkpointing">,
): Forward {
  const { reference } = reads
  const packed = packRows(rows)
  const batch = uploadBatch(context, model, packed, { backward: true })
  const pass = context.recorder.withinPhase("forward", () => forwardDecoder(context, model, batch, { checkpointing }))
  const divergence = reference && forwardDivergence(context, model, reference, batch, pass.hidden)
  return { batch, scoredOffsets: packed.scoredOffsets, pass, divergence }
}

/** `firstRow` is the place of the micro-batch's first row in the step. */
function backward(
  context: OpContext,
  model: Decoder,
  { batch, pass, divergence }: Forward,
  rows: readonly TokenRow[],
  loss: BatchLoss,
  firstRow: number,
): void {
  const upload = (values: Float32Array, label: string) => uploaded(context, values, [values.length], label)
  const dLogProbs = upload(derivatives(rows, loss, firstRow, tokenGradient), "step.token_weights")
  const dHidden = divergence?.backward(
    upload(
      derivatives(rows, loss, firstRow, ({ perDivergence }) => perDivergence ?? 0),
      "step.divergence_weights",
    ),
  )
  context.recorder.withinPhase("backward", () => backwardDecoder(context, model, batch, pass, dLogProbs, dHidden))
}

/** The loss's derivatives at every scored token, row by row, chosen before rejected; rounded to f32 last. */
function derivatives(
  rows: readonly TokenRow[],
  loss: BatchLoss,
  firstRow: number,
  of: (gradient: BatchLoss["chosen"][number], token: number) => number,
): Float32Array {
  const values: number[] = []
  rows.forEach(({ chosenIds, rejectedIds }, index) => {
    const [chosen, rejected] = [loss.chosen[firstRow + index]!, loss.rejected[firstRow + index]!]
    for (let i = 0; i < chosenIds.length; i++) values.push(of(chosen, i))
    for (let i = 0; i < rejectedIds.length; i++) values.push(of(rejected, i))
  })
  return Float32Array.from(values)
}

function summary(loss: BatchLoss, scored: readonly ScoredBatch[]): StepGradient {
  const total = (of: (batch: ScoredBatch) => number) => scored.reduce((sum, batch) => sum + of(batch), 0)
  const scoredTokens = total(({ entropyTokens }) => entropyTokens)
  return { loss, entropy: total(({ entropySum }) => entropySum) / scoredTokens, scoredTokens }
}
