// The loop over optimiser steps: gradient, update, metrics, evaluation, checkpoint. Its whole state is RunState, the bank and the moments, so that a
// run interrupted anywhere and resumed ends with the same bytes as without the interruption.

import { rowTokens } from "#gpu-runner/data/rows/token-rows.ts"
import type { RunFolder } from "#gpu-runner/data/run/run-folder.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { mixedSeed } from "#gpu-runner/models/adapter-dropout.ts"
import { withDropout } from "#gpu-runner/models/decoder-parameters.ts"
import type { AdamwState } from "#gpu-runner/optimiser/adamw-state.ts"
import { learningRateAt } from "#gpu-runner/optimiser/schedule.ts"
import { decodeCheckpoint, encodeCheckpoint, restoreCheckpoint, restoreParameters } from "./checkpoint.ts"
import { CheckpointMismatch, TrainingAborted, TrainingDiverged, UnusableConfig } from "./errors.ts"
import { evaluateHeldOut, type HeldOutEvaluation } from "./evaluate.ts"
import { type Plan, planSteps, stepSizes } from "./plan.ts"
import type { PreparedRun } from "./prepare-run.ts"
import type { RunInputs } from "./run-inputs.ts"
import { afterEvaluation, afterStep, initialState, type RunState } from "./run-state.ts"
import { applyGradient } from "./step/apply-gradient.ts"
import { gradientStep } from "./step/gradient-step.ts"
import { scoreRows } from "./step/score-rows.ts"
import { batchLoss } from "./step/step-loss.ts"
import { type StepMetrics, stepMetrics } from "./step/step-metrics.ts"

/** A pool below this is never worth trimming. */
const POOL_BYTES = 2 ** 30

/** What the loop leaves behind, besides the parameters in the bank. */
export interface LoopResult {
  readonly plan: Plan
  readonly state: RunState
  readonly resumedFromStep: number
  readonly lastMetrics: StepMetrics | null
  readonly durationSeconds: number
  readonly tokensPerSecond: number
  /** Of the parameters as they are now; undefined without held-out pairs. */
  readonly evaluation: HeldOutEvaluation | undefined
}

export class TrainingLoop {
  readonly #context: OpContext
  readonly #folder: RunFolder
  readonly #inputs: RunInputs
  readonly #run: PreparedRun
  readonly #optimiser: AdamwState
  readonly #plan: Plan
  #state = initialState
  #resumedFromStep = 0
  #lastMetrics: StepMetrics | null = null
  #evaluation: { readonly step: number; readonly result: HeldOutEvaluation } | undefined

  /** Errors: UnusableConfig when the schedule is longer than the run, or official statistics have a group of one. */
  constructor(context: OpContext, folder: RunFolder, inputs: RunInputs, prepared: PreparedRun, optimiser: AdamwState) {
    this.#context = context
    this.#folder = folder
    this.#inputs = inputs
    this.#run = prepared
    this.#optimiser = optimiser
    this.#plan = planSteps({ ...prepared.config, rowCount: prepared.train.length })
    checkScheduleFits(prepared.config, this.#plan.stepCount)
    checkOfficialGroups(prepared.config, this.#plan)
  }

  /** Runs every step that is left. Errors: CheckpointMismatch, TrainingDiverged, TrainingAborted, DegenerateGapStatistics, the device's. */
  async toTheEnd(): Promise<LoopResult> {
    const startedMs = performance.now()
    this.#restore()
    const firstTokens = this.#state.totalTokens
    this.#reportStart()
    while (!this.#isDone()) {
      if (this.#inputs.signal?.aborted) {
        await this.#checkpoint()
        throw new TrainingAborted(this.#state.step)
      }
      await this.#step()
      this.#boundPool()
      if (this.#isCheckpointDue()) await this.#checkpoint()
    }
    const durationSeconds = (performance.now() - startedMs) / 1000
    this.#loadBest()
    return {
      plan: this.#plan,
      state: this.#state,
      resumedFromStep: this.#resumedFromStep,
      lastMetrics: this.#lastMetrics,
      durationSeconds,
      tokensPerSecond: (this.#state.totalTokens - firstTokens) / durationSeconds,
      evaluation: await this.#finalEvaluation(),
    }
  }

  get #trained() {
    return { bank: this.#run.policy.trained!, optimiser: this.#optimiser }
  }

  #isDone(): boolean {
    return this.#state.isStoppedEarly || this.#state.step >= this.#plan.stepCount
  }

  #restore(): void {
    if (!this.#inputs.resume) return
    this.#folder.removeHalfWritten()
    const { checkpoint: found, damaged } = this.#folder.latestCheckpoint()
    if (found) {
      const checkpoint = decodeCheckpoint(found.bytes, this.#run.runDigest)
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

  #tellEvaluation({ accuracy, metrics }: HeldOutEvaluation, isBest: boolean): void {
    const { step } = this.#state
    this.#inputs.onProgress?.({ _tag: "Evaluated", step, steps: this.#plan.stepCount, accuracy, metrics, isBest })
  }

  /** Steps differ in length, so the pool collects buffers of sizes that are seldom asked for again. */
  #boundPool(): void {
    const { reservedBytes, peakUsedBytes } = this.#context.memory.statistics()
    if (reservedBytes > Math.max(POOL_BYTES, 3 * peakUsedBytes)) this.#context.memory.trim()
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
    const bytes = await encodeCheckpoint(this.#trained, this.#state, this.#run.runDigest)
    const keep = { count: this.#run.config.keepCheckpoints, always: best ? [best.step] : [] }
    this.#folder.writeCheckpoint(step, bytes, keep)
  }

  async #step(): Promise<void> {
    const startedMs = performance.now()
    const { step, updates } = this.#state
    const { config, train, policy, reads } = this.#run
    const rows = Array.from(this.#plan.rowsOf(step), (index) => train[index]!)
    const learner = withDropout(policy, { rate: config.loraDropout, seed: mixedSeed([config.seed, step]) })
    const gradient = await gradientStep(this.#context, learner, {
      rows,
      reads,
      tokenBudget: config.tokensPerMicroBatch,
      lossOf: (batch, scores) => batchLoss(batch, scores, this.#state.statistics, config),
    })
    const learningRate = learningRateAt({ ...config, stepCount: this.#plan.stepCount }, step)
    const gradientNorm = await applyGradient(this.#context, policy, this.#optimiser, config, gradient, {
      updates,
      learningRate,
    })
    const isSkipped = !Number.isFinite(gradientNorm)
    const tokens = rows.reduce((sum, row) => sum + rowTokens(row), 0)
    this.#state = afterStep(this.#state, gradient, isSkipped, tokens)
    await this.#report(
      stepMetrics({
        step: step + 1,
        gradient,
        gradientNorm,
        learningRate,
        epoch: this.#plan.epochAfter(step),
        totalTokens: this.#state.totalTokens,
        tokensPerSecond: (1000 * tokens) / (performance.now() - startedMs),
        isSkipped,
        config,
        kept: train.length,
        dropped: this.#run.dropped,
        truncatedKlSamples: this.#run.truncatedKlSamples,
        referenceDigest: this.#run.referenceDigest,
      }),
    )
    this.#stopIfDiverged(Number.isFinite(gradient.loss.loss) ? "the gradient" : "the loss")
  }

  #stopIfDiverged(what: string): void {
    const { onNonFinite, maxSkippedInARow } = this.#run.config
    const { step, skippedInARow } = this.#state
    const allowed = onNonFinite === "stop" ? 1 : maxSkippedInARow
    if (skippedInARow >= allowed) throw new TrainingDiverged(step, what, skippedInARow)
  }

  /** Writes the step's metrics, where an evaluation is due together with it. */
  async #report(metrics: StepMetrics): Promise<void> {
    const evaluated = this.#isEvaluationDue() ? await this.#evaluateStep() : {}
    const line = { ...metrics, ...evaluated }
    const { step, isStoppedEarly, best } = this.#state
    this.#lastMetrics = line
    this.#folder.appendMetrics(step, line)
    this.#inputs.onProgress?.({ _tag: "Step", step, steps: this.#plan.stepCount, metrics: line })
    if (isStoppedEarly) this.#inputs.onProgress?.({ _tag: "StoppedEarly", step, bestStep: best?.step ?? 0 })
  }

  #isEvaluationDue(): boolean {
    if (this.#run.heldOut.length === 0) return false
    const { step } = this.#state
    const every = this.#run.config.evaluateEvery || this.#plan.stepsPerEpoch
    return step % every === 0 || step === this.#plan.stepCount
  }

  async #evaluateStep(): Promise<StepMetrics> {
    const result = await this.#evaluate()
    this.#evaluation = { step: this.#state.step, result }
    this.#state = afterEvaluation(this.#state, result, this.#run.config)
    this.#tellEvaluation(result, this.#state.best?.step === this.#state.step)
    return result.metrics
  }

  async #evaluate(): Promise<HeldOutEvaluation> {
    const { policy, config, heldOut, reads } = this.#run
    const scores = await scoreRows(this.#context, policy, heldOut, { tokenBudget: config.tokensPerMicroBatch, reads })
    return evaluateHeldOut(heldOut, scores, this.#state.statistics, config)
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
    const checkpoint = decodeCheckpoint(bytes, this.#run.runDigest)
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
}

function checkScheduleFits(config: PreparedRun["config"], stepCount: number): void {
  const { schedule, decaySteps = 0, warmupSteps = Math.ceil(config.warmupRatio * stepCount) } = config
  if (warmupSteps + decaySteps <= stepCount) return
  throw new UnusableConfig(
    `schedule ${schedule} has ${warmupSteps} warm-up and ${decaySteps} decay steps, but the run has ${stepCount} steps; shorten them, or train longer`,
  )
}

/** A pair alone has no deviation: better said now than in an epoch's last step. */
function checkOfficialGroups({ statistics, alpha, officialGroupPairs = 8 }: PreparedRun["config"], plan: Plan): void {
  const isRead = statistics === "official" && alpha !== 0
  const size = isRead ? stepSizes(plan).find((rows) => rows % officialGroupPairs === 1) : undefined
  if (size === undefined) return
  throw new UnusableConfig(
    `statistics "official" would normalise a single pair: a step of ${size} pairs in groups of ${officialGroupPairs} leaves one over; change batch or officialGroupPairs`,
  )
}
