// Learning-rate schedules with linear warm-up, as transformers' get_scheduler computes them. Pure host arithmetic.

export type Schedule = "constant" | "linear" | "cosine"

export interface ScheduleOptions {
  readonly schedule: Schedule
  /** The peak. */
  readonly learningRate: number
  /** Share of the steps spent warming up, 0 to 1. */
  readonly warmupRatio: number
  /** Optimiser steps of the whole run. */
  readonly stepCount: number
}

/** ceil(ratio × steps), as transformers' TrainingArguments.get_warmup_steps. */
export function warmupSteps(warmupRatio: number, stepCount: number): number {
  return Math.ceil(warmupRatio * stepCount)
}

/** The learning rate of a step, counted from 0. During warm-up step s has s / warm-up steps of the peak, so step 0 has 0. */
export function learningRateAt(options: ScheduleOptions, step: number): number {
  const warmup = warmupSteps(options.warmupRatio, options.stepCount)
  if (step < warmup) return (options.learningRate * step) / Math.max(1, warmup)
  if (options.schedule === "constant") return options.learningRate
  const progress = (step - warmup) / Math.max(1, options.stepCount - warmup)
  const share = options.schedule === "linear" ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress))
  return options.learningRate * Math.max(0, share)
}
