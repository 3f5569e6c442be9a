// A whole training run on an open device. Interrupted anywhere and resumed, it ends with the same bytes as without the interruption.
// Plain asynchronous code: nothing here needs Effect, its callers at the edge (CLI, jobs) wrap it.
import { RunFolder } from "#gpu-runner/data/run-folder.ts"
import { rowTokens } from "#gpu-runner/data/token-rows.ts"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import type { Shard } from "#gpu-runner/models/parameter-bank.ts"
import { adamw } from "#gpu-runner/optimiser/adamw.ts"
import { clipCoefficient } from "#gpu-runner/optimiser/clip.ts"
import { learningRateAt } from "#gpu-runner/optimiser/schedule.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { initialGapStatistics } from "#shared/preference/gap-statistics.ts"
import { type TrainReport, writeArtefacts } from "./artefacts.ts"
import { decodeCheckpoint, encodeCheckpoint, type RunState, restoreCheckpoint } from "./checkpoint.ts"
import { MAX_SKIPPED_IN_A_ROW, TrainingAborted, TrainingDiverged, UnfinishedRun } from "./errors.ts"
import { type Evaluation, evaluatePairs, scoredPair } from "./evaluate.ts"
import { gradientStep, gradientSumOfSquares, type StepGradient } from "./gradient-step.ts"
import { type Plan, planSteps } from "./plan.ts"
import { type PreparedRun, prepareRun } from "./prepare-run.ts"
import type { RunInputs } from "./run-inputs.ts"
import { scoreRows } from "./score-rows.ts"
import { batchLoss } from "./step-loss.ts"
import { type StepMetrics, stepMetrics } from "./step-metrics.ts"

/** A pool below this is never worth trimming. */
const POOL_BYTES = 2 ** 30

const initialState: RunState = {
  step: 0,
  updates: 0,
  skipped: 0,
  skippedInARow: 0,
  statistics: initialGapStatistics,
  totalTokens: 0,
  firstLoss: null,
  lastLoss: null,
}

/**
 * Trains and writes everything into `inputs.outDir`. Errors: those of prepareRun, UnfinishedRun, CheckpointMismatch,
 * TrainingDiverged, TrainingAborted, DegenerateGapStatistics, and the device's.
 */
export async function trainRun(gpu: GpuDevice, inputs: RunInputs): Promise<TrainReport> {
  const folder = new RunFolder(inputs.outDir)
  if (!inputs.resume) {
    if (folder.isUnfinished) throw new UnfinishedRun(inputs.outDir)
    folder.clear()
  }
  const context = createContext(gpu)
  try {
    const prepared = await prepareRun(context, inputs)
    try {
      return await new Run(context, folder, inputs, prepared).toTheEnd()
    } finally {
      prepared.policy.release()
    }
  } catch (error) {
    if (inputs.signal?.aborted && !(error instanceof TrainingAborted)) throw new TrainingAborted(0)
    throw error
  } finally {
    context.memory.trim()
  }
}

class Run {
  readonly #context: OpContext
  readonly #folder: RunFolder
  readonly #inputs: RunInputs
  readonly #run: PreparedRun
  readonly #plan: Plan
  #state = initialState
  #resumedFromStep = 0
  #lastMetrics: StepMetrics | null = null
  #evaluation: Evaluation | undefined

  constructor(context: OpContext, folder: RunFolder, inputs: RunInputs, prepared: PreparedRun) {
    this.#context = context
    this.#folder = folder
    this.#inputs = inputs
    this.#run = prepared
    this.#plan = planSteps({ ...prepared.config, rowCount: prepared.train.length })
  }

  async toTheEnd(): Promise<TrainReport> {
    const startedMs = performance.now()
    this.#restore()
    this.#folder.writeJson("config.resolved.json", this.#run.config)
    const firstTokens = this.#state.totalTokens
    while (this.#state.step < this.#plan.stepCount) {
      if (this.#inputs.signal?.aborted) {
        await this.#checkpoint()
        throw new TrainingAborted(this.#state.step)
      }
      await this.#step()
      this.#boundPool()
      const { step } = this.#state
      if (step % this.#run.config.checkpointEvery === 0 || step === this.#plan.stepCount) await this.#checkpoint()
    }
    const durationSeconds = (performance.now() - startedMs) / 1000
    return this.#finish(durationSeconds, (this.#state.totalTokens - firstTokens) / durationSeconds)
  }

  #restore(): void {
    if (!this.#inputs.resume) return
    const { checkpoint: found, damaged } = this.#folder.latestCheckpoint()
    if (found) {
      const checkpoint = decodeCheckpoint(found.bytes, this.#run.runDigest)
      restoreCheckpoint(this.#run.policy.trained!, checkpoint)
      this.#state = checkpoint.state
    }
    this.#resumedFromStep = this.#state.step
    this.#folder.remove("report.json")
    this.#folder.truncateMetrics(this.#state.step)
    this.#inputs.onProgress?.({ _tag: "Resumed", step: this.#state.step, damagedCheckpoints: damaged })
  }

  /** Steps differ in length, so the pool collects buffers of sizes that are seldom asked for again. */
  #boundPool(): void {
    const { reservedBytes, peakUsedBytes } = this.#context.memory.statistics()
    if (reservedBytes > Math.max(POOL_BYTES, 3 * peakUsedBytes)) this.#context.memory.trim()
  }

  async #checkpoint(): Promise<void> {
    const bytes = await encodeCheckpoint(this.#run.policy.trained!, this.#state, this.#run.runDigest)
    this.#folder.writeCheckpoint(this.#state.step, bytes)
  }

  async #step(): Promise<void> {
    const startedMs = performance.now()
    const { step } = this.#state
    const { config, train, policy } = this.#run
    const rows = Array.from(this.#plan.rowsOf(step), (index) => train[index]!)
    const gradient = await gradientStep(this.#context, policy, rows, config.tokensPerMicroBatch, (batch, scores) =>
      batchLoss(batch, scores, this.#state.statistics, config),
    )
    const learningRate = learningRateAt({ ...config, stepCount: this.#plan.stepCount }, step)
    const gradientNorm = await this.#update(gradient, learningRate)
    const isSkipped = !Number.isFinite(gradientNorm)
    const tokens = rows.reduce((sum, row) => sum + rowTokens(row), 0)
    this.#state = nextState(this.#state, gradient, isSkipped, tokens)
    const metrics = stepMetrics({
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
      dropped: this.#inputs.dropped,
      referenceDigest: this.#run.referenceDigest,
    })
    await this.#report(metrics)
    if (this.#state.skippedInARow >= MAX_SKIPPED_IN_A_ROW) {
      throw new TrainingDiverged(step + 1, Number.isFinite(gradient.loss.loss) ? "the gradient" : "the loss")
    }
  }

  /** Clips and applies the gradient; returns its norm. Nothing is applied unless loss and norm are finite. */
  async #update(gradient: StepGradient, learningRate: number): Promise<number> {
    if (!Number.isFinite(gradient.loss.loss)) return Number.NaN
    const { config, policy } = this.#run
    const scope = this.#context.memory.openScope()
    try {
      const clip = clipCoefficient(this.#context, gradientSumOfSquares(this.#context, policy), config.maxGradNorm)
      const [norm] = (await readback(this.#context, [clip]))[0]!
      if (!Number.isFinite(norm)) return Number.NaN
      const options = {
        step: this.#state.updates + 1,
        learningRate,
        beta1: config.adamBeta1,
        beta2: config.adamBeta2,
        epsilon: config.adamEpsilon,
      }
      const update = (shards: readonly Shard[], weightDecay: number) =>
        adamw(this.#context, shards, { ...options, weightDecay }, clip)
      const { shards } = policy.trained!
      update(
        shards.filter(({ decays }) => decays),
        config.weightDecay,
      )
      update(
        shards.filter(({ decays }) => !decays),
        0,
      )
      return norm!
    } finally {
      scope.close()
    }
  }

  /** Writes the step's metrics, at the end of an epoch with the held-out evaluation. */
  async #report(metrics: StepMetrics): Promise<void> {
    const { step } = this.#state
    const steps = this.#plan.stepCount
    let line = metrics
    if (step % this.#plan.stepsPerEpoch === 0 && this.#inputs.heldOut.length > 0) {
      this.#evaluation = await this.#evaluate()
      const { accuracy, klPerToken } = this.#evaluation
      line = { ...metrics, eval_accuracy: accuracy, "eval_kl/per_token": klPerToken ?? null }
      this.#inputs.onProgress?.({ _tag: "Evaluated", step, steps, accuracy })
    }
    this.#lastMetrics = line
    this.#folder.appendMetrics(line)
    this.#inputs.onProgress?.({ _tag: "Step", step, steps, metrics: line })
  }

  async #evaluate(): Promise<Evaluation> {
    const { policy, config, heldOutBefore } = this.#run
    const options = { tokenBudget: config.tokensPerMicroBatch }
    const scores = await scoreRows(this.#context, policy, this.#inputs.heldOut, options)
    return evaluatePairs(scores.map(scoredPair), heldOutBefore)
  }

  async #finish(durationSeconds: number, tokensPerSecond: number): Promise<TrainReport> {
    const { inputs, run } = { inputs: this.#inputs, run: this.#run }
    const { config, baseEvaluation } = run
    const files = await writeArtefacts(this.#folder, inputs.model, run.policy.trained!, run.adapter)
    const report: TrainReport = {
      method: config.method,
      config,
      gamma: gammaOf(config),
      steps: this.#plan.stepCount,
      updates: this.#state.updates,
      skippedSteps: this.#state.skipped,
      resumedFromStep: this.#resumedFromStep,
      durationSeconds,
      tokens: this.#state.totalTokens,
      tokensPerSecond,
      pairs: { train: run.train.length, heldOut: inputs.heldOut.length, dropped: inputs.dropped },
      reference: { source: run.referenceSource, digest: run.referenceDigest ?? null },
      selfTest: run.selfTest ?? null,
      model: { fingerprint: inputs.model.fingerprint, weights: inputs.model.weightsDigest },
      loss: { first: this.#state.firstLoss, last: this.#state.lastLoss },
      lastMetrics: this.#lastMetrics,
      heldOut: baseEvaluation ? { before: baseEvaluation, after: this.#evaluation ?? (await this.#evaluate()) } : null,
      adapter: this.#context.gpu.info.description,
      files,
    }
    this.#folder.writeJson("report.json", report)
    return report
  }
}

function gammaOf({ beta, gammaBetaRatio }: TrainConfig): number | null {
  return beta === undefined || gammaBetaRatio === undefined ? null : beta * gammaBetaRatio
}

function nextState(state: RunState, { loss }: StepGradient, isSkipped: boolean, tokens: number): RunState {
  const counted = { ...state, step: state.step + 1, totalTokens: state.totalTokens + tokens }
  // A skipped step leaves no trace in the statistics either.
  if (isSkipped) return { ...counted, skipped: state.skipped + 1, skippedInARow: state.skippedInARow + 1 }
  return {
    ...counted,
    updates: state.updates + 1,
    skippedInARow: 0,
    statistics: loss.statistics,
    firstLoss: state.firstLoss ?? loss.loss,
    lastLoss: loss.loss,
  }
}
