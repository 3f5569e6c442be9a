// The loop over optimiser steps: gradient, update, metrics, evaluation, checkpoint. Its whole state is RunState, the bank and the moments, so that a
// run interrupted anywhere and resumed ends with the same bytes as without the interruption. A step is settled when its gradient's norm
// has been read back, together with the scores of the next step, so that the device has work while the host waits; before an evaluation,
// a checkpoint and the end, the loop waits for the norm alone. Over 300 lines: one loop.

import { rowTokens } from "#gpu-runner/data/rows/token-rows.ts"
import type { RunFolder } from "#gpu-runner/data/run/run-folder.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { mixedSeed } from "#gpu-runner/models/adapter-dropout.ts"
import { withDropout } from "#gpu-runner/models/decoder-parameters.ts"
import type { AdamwState } from "#gpu-runner/optimiser/adamw-state.ts"
import { learningRateAt } from "#gpu-runner/optimiser/schedule.ts"
import { CheckpointMismatch, TrainingAborted, TrainingDiverged } from "../errors.ts"
import { type HeldOutEvaluation, JudgedRows } from "../results/evaluate.ts"
import { type StepOrder, stepOrder } from "../rows/step-order.ts"
import { applyGradient, type Update } from "../step/apply-gradient.ts"
import { gradientStep, type StepGradient } from "../step/gradient-step.ts"
import { scoredGroups } from "../step/score-rows.ts"
import { stepDirections } from "../step/step-directions.ts"
import { batchLoss } from "../step/step-loss.ts"
import { budgetMetrics, type StepMetrics, stepMetrics } from "../step/step-metrics.ts"
import { boundPool } from "./bound-pool.ts"
import { decodeCheckpoint, encodeCheckpoint, restoreCheckpoint, restoreParameters } from "./checkpoint.ts"
import { checkOfficialGroups, checkScheduleFits, checkStepLimit } from "./length-checks.ts"
import type { PreparedRun } from "./prepare-run.ts"
import type { RunInputs } from "./run-inputs.ts"
import { afterEvaluation, afterStep, initialState, type RunState } from "./run-state.ts"
import { loweredWarning, travelWarning, weightsWarning } from "./run-warnings.ts"

/** What the loop leaves behind, besides the parameters in the bank. */
export interface LoopResult {
  readonly order: StepOrder
  readonly state: RunState
  readonly resumedFromStep: number
  readonly lastMetrics: StepMetrics | null
  readonly durationSeconds: number
  readonly tokensPerSecond: number
  /** Of the parameters as they are now; undefined without held-out pairs. */
  readonly evaluation: HeldOutEvaluation | undefined
}

/** A step whose update is on its way. */
interface OpenStep {
  readonly gradient: StepGradient
  readonly update: Update
  readonly learningRate: number
  readonly tokens: number
}

/** Thrown out of a step that has changed nothing yet, because the run is to stop. */
class StepAbandoned extends Error {}

export class TrainingLoop {
  readonly #context: OpContext
  readonly #folder: RunFolder
  readonly #inputs: RunInputs
  readonly #run: PreparedRun
  readonly #optimiser: AdamwState
  readonly #order: StepOrder
  #state = initialState
  #open: OpenStep | undefined
  /** Steps since the device was last idle. One alone has no time: it ends while the next one's forward pass runs. */
  #stretch = { startMs: 0, tokens: 0 }
  #resumedFromStep = 0
  #lastMetrics: StepMetrics | null = null
  #hasWarnedOfWeights = false
  #evaluation: { readonly step: number; readonly result: HeldOutEvaluation } | undefined

  /** Errors: UnusableConfig when the run is longer than it may be or shorter than its schedule, or official statistics have a group of one. */
  constructor(context: OpContext, folder: RunFolder, inputs: RunInputs, prepared: PreparedRun, optimiser: AdamwState) {
    this.#context = context
    this.#folder = folder
    this.#inputs = inputs
    this.#run = prepared
    this.#optimiser = optimiser
    this.#order = stepOrder({ ...prepared.config, rowCount: prepared.train.length })
    checkStepLimit(inputs.mostSteps, this.#order.stepCount)
    checkScheduleFits(prepared.config, this.#order.stepCount)
    checkOfficialGroups(prepared.config, this.#order)
  }

  /** Runs every step that is left. Errors: CheckpointMismatch, TrainingDiverged, TrainingAborted, DegenerateGapStatistics, the device's. */
  async toTheEnd(): Promise<LoopResult> {
    const startedMs = performance.now()
    this.#restore()
    const firstTokens = this.#state.totalTokens
    if (this.#state.step === 0) this.#warn(travelWarning(this.#run.config, this.#order.stepCount, this.#run.freshWidth))
    this.#reportStart()
    this.#stretch = { startMs: startedMs, tokens: 0 }
    while (!this.#isDone()) {
      if (this.#inputs.signal?.aborted) await this.#abort()
      await this.#step().catch((error: unknown) => {
        if (!(error instanceof StepAbandoned)) throw error
      })
      boundPool(this.#context)
    }
    const durationSeconds = (performance.now() - startedMs) / 1000
    this.#loadBest()
    return {
      order: this.#order,
      state: this.#state,
      resumedFromStep: this.#resumedFromStep,
      lastMetrics: this.#lastMetrics,
      durationSeconds,
      tokensPerSecond: (this.#state.totalTokens - firstTokens) / durationSeconds,
      evaluation: await this.#finalEvaluation(),
    }
  }

  #restore(): void {
    if (!this.#inputs.resume) return
    this.#folder.removeHalfWritten()
    const { checkpoint: found, damaged } = this.#folder.latestCheckpoint()
    if (found) {
      const checkpoint = decodeCheckpoint(found.bytes, this.#run.identity)
      restoreCheckpoint(this.#trained, checkpoint)
      this.#state = checkpoint.state
    }
    this.#resumedFromStep = this.#state.step
    this.#folder.remove("report.json")
    this.#folder.truncateMetrics(this.#state.step)
    this.#inputs.onProgress?.({ _tag: "Resumed", step: this.#state.step, damagedCheckpoints: damaged })
  }

  /** The evaluation before the first step is no line of metrics.jsonl, whose lines are steps. */
  #reportStart(): void {
    const { baseEvaluation } = this.#run
    if (!baseEvaluation || this.#state.step > 0) return
    this.#folder.events.append(0, baseEvaluation.metrics)
    this.#tellEvaluation(baseEvaluation, false)
  }

  #warn(message: string | undefined): boolean {
    if (message !== undefined) this.#inputs.onProgress?.({ _tag: "Warned", message })
    return message !== undefined
  }

  #isDone(): boolean {
    return this.#state.isStoppedEarly || this.#state.step >= this.#order.stepCount
  }

  async #abort(): Promise<never> {
    await this.#settleNow()
    await this.#checkpoint()
    throw new TrainingAborted(this.#state.step)
  }

  async #step(): Promise<void> {
    const step = this.#state.step + (this.#open ? 1 : 0)
    const { config, train, policy, reads, stepPlan } = this.#run
    const rows = Array.from(this.#order.rowsOf(step), (index) => train.at(index)!)
    const learner = withDropout(policy, { rate: config.loraDropout, seed: mixedSeed([config.seed, step]) })
    const gradient = await gradientStep(this.#context, learner, {
      rows,
      reads,
      tokenBudget: config.tokensPerMicroBatch,
      checkpointing: stepPlan.checkpointing,
      directions: stepDirections(rows, config, stepPlan),
      lossOf: (batch, scores) => {
        this.#settle()
        if (this.#inputs.signal?.aborted) throw new StepAbandoned()
        return batchLoss(batch, scores, this.#state.statistics, config)
      },
    })
    const { rateShare = 1 } = this.#state
    const learningRate = rateShare * learningRateAt({ ...config, stepCount: this.#order.stepCount }, step)
    const facts = { updates: this.#state.updates, learningRate }
    const update = applyGradient(this.#context, policy, this.#optimiser, config, gradient, facts)
    this.#open = { gradient, update, learningRate, tokens: rows.reduce((sum, row) => sum + rowTokens(row), 0) }
    if (this.#mustSettleAt(step + 1)) await this.#settleNow()
  }

  /** Whether a step's end is more than a line of metrics. */
  #mustSettleAt(step: number): boolean {
    return (
      step === this.#order.stepCount || step % this.#run.config.checkpointEvery === 0 || this.#isEvaluationDue(step)
    )
  }

  /** Waits for the open step; evaluates and writes a checkpoint where they are due. */
  async #settleNow(): Promise<void> {
    if (!this.#open) return
    await readback(this.#context, [])
    const { loss, metrics } = this.#close(this.#open)
    this.#report({ ...metrics, ...(this.#isEvaluationDue(this.#state.step) ? await this.#evaluateStep() : {}) }, loss)
    if (this.#isCheckpointDue()) await this.#checkpoint()
    this.#stretch = { startMs: performance.now(), tokens: 0 }
  }

  /** The open step's end where that is a line of metrics only; its norm has been read back. */
  #settle(): void {
    if (!this.#open) return
    const { loss, metrics } = this.#close(this.#open)
    this.#report(metrics, loss)
  }

  /** Counts the open step. */
  #close({ gradient, update: { gradientNorm }, learningRate, tokens }: OpenStep) {
    const { config, train, dropped, truncatedKlSamples, referenceDigest } = this.#run
    const isSkipped = !Number.isFinite(gradientNorm)
    this.#open = undefined
    this.#state = afterStep(this.#state, gradient, isSkipped, tokens)
    const { step, totalTokens } = this.#state
    if (!this.#hasWarnedOfWeights) {
      this.#hasWarnedOfWeights = this.#warn(weightsWarning(gradient.loss.pairWeights ?? [], step))
    }
    this.#stretch.tokens += tokens
    const tokensPerSecond = (1000 * this.#stretch.tokens) / (performance.now() - this.#stretch.startMs)
    const epoch = this.#order.epochAfter(step - 1)
    const facts = { step, gradient, gradientNorm, learningRate, epoch, totalTokens, tokensPerSecond, isSkipped, config }
    return {
      loss: gradient.loss.loss,
      metrics: stepMetrics({ ...facts, kept: train.length, dropped, truncatedKlSamples, referenceDigest }),
    }
  }

  /** Writes the step's metrics, then looks whether the run may go on. */
  #report(metrics: StepMetrics, loss: number): void {
    const { step, isStoppedEarly, best } = this.#state
    this.#lastMetrics = metrics
    this.#folder.appendMetrics(step, metrics)
    this.#inputs.onProgress?.({ _tag: "Step", step, steps: this.#order.stepCount, metrics })
    if (isStoppedEarly) this.#inputs.onProgress?.({ _tag: "StoppedEarly", step, bestStep: best?.step ?? 0 })
    this.#stopIfDiverged(Number.isFinite(loss) ? "the gradient" : "the loss")
  }

  #stopIfDiverged(what: string): void {
    const { onNonFinite, maxSkippedInARow } = this.#run.config
    const { step, skippedInARow } = this.#state
    const allowed = onNonFinite === "stop" ? 1 : maxSkippedInARow
    if (skippedInARow >= allowed) throw new TrainingDiverged(step, what, skippedInARow)
  }

  #isEvaluationDue(step: number): boolean {
    if (this.#run.heldOut.length === 0) return false
    const every = this.#run.config.evaluateEvery || this.#order.stepsPerEpoch
    return step % every === 0 || step === this.#order.stepCount
  }

  async #evaluateStep(): Promise<StepMetrics> {
    const result = await this.#evaluate()
    const { step, rateShare } = this.#state
    this.#evaluation = { step, result }
    this.#state = afterEvaluation(this.#state, result, this.#run.config)
    if (this.#state.rateShare !== rateShare) this.#warn(loweredWarning(this.#run.config, this.#state, result))
    this.#tellEvaluation(result, this.#state.best?.step === this.#state.step)
    return { ...result.metrics, ...budgetMetrics(this.#run.config, this.#state, result) }
  }

  async #evaluate(): Promise<HeldOutEvaluation> {
    const { policy, config, heldOut, reads } = this.#run
    const judged = new JudgedRows(config)
    const groups = scoredGroups(this.#context, policy, heldOut, { tokenBudget: config.tokensPerMicroBatch, reads })
    for await (const group of groups) judged.add(group)
    return judged.evaluate(this.#state.statistics)
  }

  #tellEvaluation({ accuracy, metrics }: HeldOutEvaluation, isBest: boolean): void {
    const { step } = this.#state
    this.#inputs.onProgress?.({ _tag: "Evaluated", step, steps: this.#order.stepCount, accuracy, metrics, isBest })
  }

  /** Besides the regular ones, the best evaluation's parameters are kept where something may ask for them. */
  #isCheckpointDue(): boolean {
    const { config } = this.#run
    const { step, best } = this.#state
    const isWantedBest = best?.step === step && (config.loadBestAtEnd || config.earlyStoppingPatience > 0)
    return this.#isDone() || step % config.checkpointEvery === 0 || isWantedBest
  }

  async #checkpoint(): Promise<void> {
    const { best, step } = this.#state
    const bytes = await encodeCheckpoint(this.#trained, this.#state, this.#run.identity)
    const keep = { count: this.#run.config.keepCheckpoints, always: best ? [best.step] : [] }
    this.#folder.writeCheckpoint(step, bytes, keep)
  }

  #loadBest(): void {
    const { best, step } = this.#state
    if (!this.#run.config.loadBestAtEnd || !best || best.step === step) return
    const bytes = this.#folder.checkpointAt(best.step)
    if (!bytes) {
      throw new CheckpointMismatch(
        `the checkpoint of the best evaluation (step ${best.step}) is missing or damaged; restore it, or set loadBestAtEnd to false and start again`,
      )
    }
    const checkpoint = decodeCheckpoint(bytes, this.#run.identity)
    restoreParameters(this.#trained.bank, checkpoint)
    // The gap's statistics of that step, so that its evaluation is the one that was logged.
    this.#state = { ...this.#state, statistics: checkpoint.state.statistics }
    this.#evaluation = undefined
  }

  async #finalEvaluation(): Promise<HeldOutEvaluation | undefined> {
    if (this.#run.heldOut.length === 0) return undefined
    const isCurrent = this.#evaluation?.step === this.#state.step
    return isCurrent ? this.#evaluation!.result : this.#evaluate()
  }

  get #trained() {
    return { bank: this.#run.policy.trained!, optimiser: this.#optimiser }
  }
}
