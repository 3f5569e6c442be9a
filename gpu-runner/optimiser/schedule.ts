// Learning-rate schedules, as transformers' get_scheduler computes them (optimization.py of transformers 4.57). Pure host arithmetic.

export type Schedule =
  | "constant"
  | "constant-with-warmup"
  | "linear"
  | "cosine"
  | "cosine-with-restarts"
  | "polynomial"
  | "inverse-sqrt"
  | "cosine-with-min-lr"
  | "warmup-stable-decay"

export type RampShape = "linear" | "cosine" | "1-sqrt"

export interface ScheduleOptions {
  readonly schedule: Schedule
  /** The peak. */
  readonly learningRate: number
  /** Optimiser steps of the whole run. */
  readonly stepCount: number
  /** Share of the steps spent warming up, 0 to 1; read where warmupSteps is absent. */
  readonly warmupRatio: number
  readonly warmupSteps?: number | undefined
  /** Waves of the cosines (.5), or restarts (1). */
  readonly scheduleCycles?: number | undefined
  /** Of polynomial (1). */
  readonly schedulePower?: number | undefined
  /** The last rate: of polynomial (1e-7), or of cosine-with-min-lr. */
  readonly minLearningRate?: number | undefined
  /** The same as a share of the peak: of cosine-with-min-lr and warmup-stable-decay (0). */
  readonly minLearningRateRatio?: number | undefined
  /** Steps of the last stage of warmup-stable-decay. */
  readonly decaySteps?: number | undefined
  /** Of warmup-stable-decay: linear and cosine. */
  readonly warmupShape?: RampShape | undefined
  readonly decayShape?: RampShape | undefined
}

/** ceil(ratio × steps), as transformers' TrainingArguments.get_warmup_steps. */
export function warmupSteps(warmupRatio: number, stepCount: number): number {
  return Math.ceil(warmupRatio * stepCount)
}

/** The learning rate of a step, counted from 0. During warm-up step s has s / warm-up steps of the peak, so step 0 has 0. */
export function learningRateAt(options: ScheduleOptions, step: number): number {
  return options.learningRate * shares[options.schedule](options, step, warmupOf(options))
}

function warmupOf(options: ScheduleOptions): number {
  return options.warmupSteps ?? warmupSteps(options.warmupRatio, options.stepCount)
}

/** The share of the peak at a step. */
type Share = (options: ScheduleOptions, step: number, warmup: number) => number

const shares: Readonly<Record<Schedule, Share>> = {
  constant: () => 1,
  "constant-with-warmup": afterWarmup(() => 1),
  linear: afterWarmup((options, step, warmup) => 1 - progressOf(options, step, warmup)),
  cosine: afterWarmup((options, step, warmup) =>
    wave(progressOf(options, step, warmup), options.scheduleCycles ?? 0.5),
  ),
  "cosine-with-restarts": afterWarmup(restarts),
  polynomial: afterWarmup(polynomial),
  "inverse-sqrt": afterWarmup(inverseSquareRoot),
  "cosine-with-min-lr": afterWarmup(cosineWithMinimum),
  "warmup-stable-decay": warmupStableDecay,
}

function afterWarmup(share: Share): Share {
  return (options, step, warmup) => {
    if (step < warmup) return step / Math.max(1, warmup)
    return Math.max(0, share(options, step, warmup))
  }
}

function progressOf({ stepCount }: ScheduleOptions, step: number, warmup: number): number {
  return (step - warmup) / Math.max(1, stepCount - warmup)
}

/** `cycles` whole waves from 1; half a wave goes to 0 once. */
function wave(progress: number, cycles: number): number {
  return 0.5 * (1 + Math.cos(2 * Math.PI * cycles * progress))
}

function restarts(options: ScheduleOptions, step: number, warmup: number): number {
  const progress = progressOf(options, step, warmup)
  return progress >= 1 ? 0 : 0.5 * (1 + Math.cos(Math.PI * (((options.scheduleCycles ?? 1) * progress) % 1)))
}

function polynomial(options: ScheduleOptions, step: number, warmup: number): number {
  const last = (options.minLearningRate ?? 1e-7) / options.learningRate
  const remaining = Math.max(0, 1 - progressOf(options, step, warmup))
  return (1 - last) * remaining ** (options.schedulePower ?? 1) + last
}

/** The time scale is the warm-up, or 10,000 steps without one. */
function inverseSquareRoot(_: ScheduleOptions, step: number, warmup: number): number {
  const timescale = warmup || 10_000
  return 1 / Math.sqrt((step - warmup + timescale) / timescale)
}

function cosineWithMinimum(options: ScheduleOptions, step: number, warmup: number): number {
  const { learningRate, minLearningRate = 0, minLearningRateRatio: ratio = minLearningRate / learningRate } = options
  return raised(wave(progressOf(options, step, warmup), options.scheduleCycles ?? 0.5), ratio)
}

function warmupStableDecay(options: ScheduleOptions, step: number, warmup: number): number {
  const { stepCount, decaySteps = 0, minLearningRateRatio: ratio = 0, warmupShape, decayShape } = options
  if (step < warmup) return Math.max(0, raised(rise(warmupShape ?? "linear", step / Math.max(1, warmup)), ratio))
  const decayStart = stepCount - decaySteps
  if (step < decayStart) return 1
  if (step >= stepCount) return ratio
  const progress = (step - decayStart) / Math.max(1, decaySteps)
  return Math.max(0, raised(fall(decayShape ?? "cosine", progress, options.scheduleCycles ?? 0.5), ratio))
}

function rise(shape: RampShape, progress: number): number {
  if (shape === "linear") return progress
  return shape === "cosine" ? 0.5 * (1 - Math.cos(Math.PI * progress)) : 1 - Math.sqrt(1 - progress)
}

function fall(shape: RampShape, progress: number, cycles: number): number {
  if (shape === "linear") return 1 - progress
  return shape === "cosine" ? wave(progress, cycles) : 1 - Math.sqrt(progress)
}

/** A share from 0 to 1 to one from `ratio` to 1. */
function raised(share: number, ratio: number): number {
  return share * (1 - ratio) + ratio
}
