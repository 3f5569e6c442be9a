// The configuration's keys of the training loop: schedule, optimiser, evaluation, checkpoints. They are part of TrainConfig; here are their
// fields, their defaults, and which of them belong together. A key that the chosen schedule would ignore is an error.
import { Schema } from "effect"
import { belowOne, numberAbove, numberBetween, share, steps, stepsOrOff, wholeBetween } from "./config-numbers.ts"

const key = Schema.optionalKey

/** transformers' `lr_scheduler_type`, with hyphens. */
export const Schedule = Schema.Literals([
  "constant",
  "constant-with-warmup",
  "linear",
  "cosine",
  "cosine-with-restarts",
  "polynomial",
  "inverse-sqrt",
  "cosine-with-min-lr",
  "warmup-stable-decay",
])
export type Schedule = typeof Schedule.Type

const RampShape = Schema.Literals(["linear", "cosine", "1-sqrt"])

export const trainLoopFields = {
  /** Optimiser steps of the run, however many passes that takes; overrides epochs. 0 = off; 0 */
  maxSteps: key(stepsOrOff),
  /** cosine */
  schedule: key(Schedule),
  /** Warm-up steps = ceil(ratio × steps); .1, and 0 for `constant` or beside warmupSteps */
  warmupRatio: key(share),
  /** Warm-up in steps, in place of warmupRatio */
  warmupSteps: key(stepsOrOff),
  /** Waves of the cosines: .5 (half a wave, down once); restarts of cosine-with-restarts: 1 */
  scheduleCycles: key(numberAbove(0, 1000)),
  /** polynomial: 1 */
  schedulePower: key(numberAbove(0, 100)),
  /** Where polynomial ends, 1e-7; where cosine-with-min-lr ends, if minLearningRateRatio is not given */
  minLearningRate: key(numberBetween(0, 10)),
  /** The same as a share of learningRate, for cosine-with-min-lr and warmup-stable-decay (0) */
  minLearningRateRatio: key(share),
  /** warmup-stable-decay: steps of its last stage */
  decaySteps: key(steps),
  /** warmup-stable-decay: linear */
  warmupShape: key(RampShape),
  /** warmup-stable-decay: cosine */
  decayShape: key(RampShape),
  /** AdamW with f32 or block-wise 8-bit moments; adamw */
  optimiser: key(Schema.Literals(["adamw", "adamw-8bit"])),
  /** A step whose loss or gradient is not finite is left out, or ends the run; skip */
  onNonFinite: key(Schema.Literals(["skip", "stop"])),
  /** So many steps left out in a row end the run too; 3 */
  maxSkippedInARow: key(wholeBetween(1, 10_000)),
  /** Share of the data's prompts held out for evaluation, when no held-out file is given; 0 */
  heldOutShare: key(belowOne),
  /** Optimiser steps between evaluations; 0 = at the end of each epoch; 0 */
  evaluateEvery: key(stepsOrOff),
  /** Evaluations without a new best before the run stops; 0 = off; 0 */
  earlyStoppingPatience: key(wholeBetween(0, 100_000)),
  /** What is best: the least eval_loss (of alpha-dpo at its fixed margin) or the highest eval_accuracy; eval_loss */
  earlyStoppingMetric: key(Schema.Literals(["eval_loss", "eval_accuracy"])),
  /** Writes the parameters of the best evaluation, not the last ones; false */
  loadBestAtEnd: key(Schema.Boolean),
  /** Nats per held-out token that the policy may drift from its reference (k3): an evaluation beyond it is never the best; off */
  klBudget: key(numberAbove(0, 1000)),
  /** What such an evaluation does: ends the run, or halves the learning rate of all steps after it, down to 1/1024; stop */
  onKlBudget: key(Schema.Literals(["stop", "lower-rate"])),
  /** Optimiser steps between checkpoints; 10 */
  checkpointEvery: key(steps),
  /** Newest checkpoints kept; the best one is kept besides; 2 */
  keepCheckpoints: key(wholeBetween(1, 10_000)),
}

/** The keys that a resolved configuration may lack. */
export const OPTIONAL_LOOP_KEYS = [
  "klBudget",
  "onKlBudget",
  "warmupSteps",
  "scheduleCycles",
  "schedulePower",
  "minLearningRate",
  "minLearningRateRatio",
  "decaySteps",
  "warmupShape",
  "decayShape",
] as const

const inputSchema = Schema.Struct(trainLoopFields)
export type TrainLoopInput = typeof inputSchema.Type

/** Keys that only some schedules read, with those schedules. */
const SCHEDULES_OF: Readonly<Partial<Record<keyof TrainLoopInput, readonly Schedule[]>>> = {
  scheduleCycles: ["cosine", "cosine-with-restarts", "cosine-with-min-lr", "warmup-stable-decay"],
  schedulePower: ["polynomial"],
  minLearningRate: ["polynomial", "cosine-with-min-lr"],
  minLearningRateRatio: ["cosine-with-min-lr", "warmup-stable-decay"],
  decaySteps: ["warmup-stable-decay"],
  warmupShape: ["warmup-stable-decay"],
  decayShape: ["warmup-stable-decay"],
}

/** The loop's defaults, those of the chosen schedule among them (transformers' own). */
export function resolveTrainLoop(input: TrainLoopInput) {
  const schedule = input.schedule ?? "cosine"
  const hasOwnWarmup = schedule === "constant" || input.warmupSteps !== undefined
  return {
    maxSteps: 0,
    schedule,
    warmupRatio: hasOwnWarmup ? 0 : 0.1,
    ...scheduleDefaults[schedule],
    optimiser: "adamw" as const,
    onNonFinite: "skip" as const,
    maxSkippedInARow: 3,
    heldOutShare: 0,
    evaluateEvery: 0,
    earlyStoppingPatience: 0,
    earlyStoppingMetric: "eval_loss" as const,
    loadBestAtEnd: false,
    checkpointEvery: 10,
    keepCheckpoints: 2,
  }
}

const scheduleDefaults: Readonly<Record<Schedule, TrainLoopInput>> = {
  constant: {},
  "constant-with-warmup": {},
  linear: {},
  cosine: { scheduleCycles: 0.5 },
  "cosine-with-restarts": { scheduleCycles: 1 },
  polynomial: { schedulePower: 1, minLearningRate: 1e-7 },
  "inverse-sqrt": {},
  "cosine-with-min-lr": { scheduleCycles: 0.5 },
  "warmup-stable-decay": {
    scheduleCycles: 0.5,
    minLearningRateRatio: 0,
    warmupShape: "linear",
    decayShape: "cosine",
  },
}

/** What is wrong with keys that belong together, and the mend; undefined where nothing is. */
export function trainLoopFault(
  config: TrainLoopInput & { readonly schedule: Schedule; readonly learningRate?: number },
): string | undefined {
  return warmupFault(config) ?? scheduleKeyFault(config) ?? minimumFault(config) ?? budgetFault(config)
}

function budgetFault({ klBudget, onKlBudget, loadBestAtEnd }: TrainLoopInput): string | undefined {
  if (klBudget === undefined)
    return onKlBudget && "onKlBudget says what happens beyond klBudget; give a klBudget, or leave it out"
  if (loadBestAtEnd) return undefined
  return "klBudget holds a run to its budget, and loadBestAtEnd writes what was within it; set loadBestAtEnd to true"
}

function warmupFault({ schedule, warmupRatio = 0, warmupSteps = 0 }: TrainLoopInput): string | undefined {
  if (warmupRatio > 0 && warmupSteps > 0) return "warmupRatio and warmupSteps exclude each other; keep one"
  if (schedule !== "constant" || (warmupRatio === 0 && warmupSteps === 0)) return undefined
  return 'schedule "constant" has no warm-up; use "constant-with-warmup", or leave the warm-up out'
}

function scheduleKeyFault(config: TrainLoopInput & { readonly schedule: Schedule }): string | undefined {
  for (const [name, schedules] of Object.entries(SCHEDULES_OF)) {
    if (config[name as keyof TrainLoopInput] === undefined || schedules.includes(config.schedule)) continue
    return `${name} belongs to schedule ${schedules.join(", ")}, not to ${config.schedule}; leave it out`
  }
  return undefined
}

function minimumFault(
  config: TrainLoopInput & { readonly schedule: Schedule; readonly learningRate?: number },
): string | undefined {
  const { schedule, learningRate, minLearningRate, minLearningRateRatio, decaySteps } = config
  if (schedule === "cosine-with-min-lr" && (minLearningRate === undefined) === (minLearningRateRatio === undefined)) {
    return 'schedule "cosine-with-min-lr" needs one of minLearningRate and minLearningRateRatio'
  }
  if (schedule === "warmup-stable-decay" && decaySteps === undefined) {
    return 'schedule "warmup-stable-decay" needs decaySteps, the length of its last stage'
  }
  if (minLearningRate === undefined || learningRate === undefined || minLearningRate < learningRate) return undefined
  return `minLearningRate ${minLearningRate} is not below learningRate ${learningRate}; lower it`
}
