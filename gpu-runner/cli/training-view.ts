// What the terminal shows of a training run, as a pure function of the events so far, the width and whether colours are wanted.
import { describeMemory } from "#gpu-runner/trainer/plan/memory-forecast.ts"
import { duration, percent } from "#gpu-runner/trainer/quantities.ts"
import type { ProgressEvent } from "#gpu-runner/trainer/run/run-inputs.ts"
import type { StepMetrics } from "#gpu-runner/trainer/step/step-metrics.ts"
import { describeProfile } from "#gpu-runner/trainer/step/step-profile.ts"

export interface TrainingView {
  readonly method: string
  readonly step: number
  /** 0 before the first step. */
  readonly steps: number
  readonly metrics: StepMetrics
  readonly evaluation: { readonly step: number; readonly metrics: StepMetrics } | undefined
  readonly bestStep: number | undefined
  /** What is done before the first step, and how far it is. */
  readonly preparing: Preparing | undefined
  /** Where the clock for the time left started. */
  readonly clock: { readonly step: number; readonly ms: number } | undefined
  readonly secondsLeft: number | undefined
}

type Preparing = Omit<Extract<ProgressEvent, { _tag: "Preparing" }>, "_tag">

export function initialView(method: string): TrainingView {
  return {
    method,
    step: 0,
    steps: 0,
    metrics: {},
    evaluation: undefined,
    bestStep: undefined,
    preparing: undefined,
    clock: undefined,
    secondsLeft: undefined,
  }
}

/** The view after an event at a time of the monotonic clock. */
export function afterEvent(view: TrainingView, event: ProgressEvent, nowMs: number): TrainingView {
  switch (event._tag) {
    case "Preparing":
      return { ...view, preparing: event }
    case "Resumed":
      return { ...view, step: event.step, clock: undefined, secondsLeft: undefined }
    case "Evaluated": {
      const { step, steps, metrics, isBest } = event
      return {
        ...view,
        preparing: undefined,
        steps,
        evaluation: { step, metrics },
        bestStep: isBest ? step : view.bestStep,
      }
    }
    case "Step": {
      const { step, steps, metrics } = event
      const clock = view.clock ?? { step, ms: nowMs }
      const perStepMs = step > clock.step ? (nowMs - clock.ms) / (step - clock.step) : undefined
      const secondsLeft = perStepMs === undefined ? undefined : (perStepMs * (steps - step)) / 1000
      return { ...view, preparing: undefined, step, steps, metrics, clock, secondsLeft }
    }
    default:
      return { ...view, clock: undefined, secondsLeft: undefined }
  }
}

/** A line that stays, for what is worth one; undefined for what only moves the view. */
export function noteOf(event: ProgressEvent): string | undefined {
  switch (event._tag) {
    case "Memory":
      return describeMemory(event.forecast)
    case "Resumed": {
      const damaged = event.damagedCheckpoints.map((name) => `checkpoint ${name} is damaged; using an earlier one`)
      const from =
        event.step > 0 ? `resumed after step ${event.step}` : "nothing to resume; starting from the beginning"
      return [...damaged, from].join("\n")
    }
    case "Evaluated":
      return `step ${event.step}: held-out ${evaluationFields(event.metrics).join(", ")}${event.isBest ? " (best)" : ""}`
    case "Profiled":
      return describeProfile(event.profile)
    case "StoppedEarly":
      return `stopped early after step ${event.step}: the best evaluation is that of step ${event.bestStep}`
    case "DeviceLost":
      return `the GPU device was lost (${event.reason}); going on from the last checkpoint on a new one`
    default:
      return event._tag === "Step" && event.metrics.skipped === true
        ? `step ${event.step} was skipped: its loss or gradient is not finite`
        : undefined
  }
}

/** The view as one line without colours. */
export function plainLine(view: TrainingView): string {
  if (view.preparing) return preparingLine(view.preparing)
  const fields = [...stepFields(view.metrics), ...speedFields(view)]
  return `step ${view.step}/${view.steps}: ${fields.join(", ")}`
}

function preparingLine({ what, done, total, unit }: Preparing): string {
  return `${what} ${done} of ${total} ${unit}`
}

/** The view as a block of lines, none wider than `width` columns. */
export function renderView(view: TrainingView, width: number, isColored: boolean): string[] {
  const paint = isColored ? colors : plain
  const head = headLine(view, width, paint)
  const groups = [stepFields(view.metrics), speedFields(view), heldOutFields(view)]
  return [head, ...groups.flatMap((fields) => flow(fields, width).map(paint.quiet))]
}

interface Paint {
  readonly strong: (text: string) => string
  readonly quiet: (text: string) => string
  readonly bar: (text: string) => string
}

const same = (text: string) => text
const plain: Paint = { strong: same, quiet: same, bar: same }
const sgr = (code: number) => (text: string) => (text === "" ? "" : `\u001b[${code}m${text}\u001b[0m`)
const colors: Paint = { strong: sgr(1), quiet: sgr(2), bar: sgr(36) }

const NARROWEST_BAR = 8
const WIDEST_BAR = 40

/** Method, bar, share and count; without room for a bar the rest alone. */
function headLine(view: TrainingView, width: number, paint: Paint): string {
  const { preparing, method } = view
  const [done, total] = preparing ? [preparing.done, preparing.total] : [view.step, view.steps]
  const share = total > 0 ? Math.min(1, done / total) : 0
  const counted = preparing ? preparingLine(preparing) : `${done}/${total} steps`
  const right = `${Math.floor(100 * share)} %  ${counted}`
  const room = width - method.length - right.length - 4
  if (room < NARROWEST_BAR) return paint.strong(`${method}  ${right}`.slice(0, width))
  const length = Math.min(WIDEST_BAR, room)
  const filled = Math.round(share * length)
  const bar = `${paint.bar("━".repeat(filled))}${paint.quiet("─".repeat(length - filled))}`
  return `${paint.strong(method)}  ${bar}  ${right}`
}

function stepFields(metrics: StepMetrics): string[] {
  return [
    ...field("loss", metrics.loss, 4),
    ...field("margin", metrics["rewards/margins"], 3),
    ...field("accuracy", metrics["rewards/accuracies"], 2),
    ...field("gradient", metrics.grad_norm, 3),
  ]
}

function speedFields({ metrics, secondsLeft, step, steps }: TrainingView): string[] {
  const { tokens_per_second: speed, learning_rate: rate } = metrics
  return [
    ...(typeof speed === "number" ? [`${speed.toFixed(0)} tokens/s`] : []),
    ...(typeof rate === "number" ? [`rate ${rate.toExponential(2)}`] : []),
    ...field("epoch", metrics.epoch, 2),
    ...(secondsLeft === undefined || step >= steps ? [] : [`${duration(secondsLeft)} left`]),
  ]
}

function heldOutFields({ evaluation, bestStep }: TrainingView): string[] {
  if (!evaluation) return []
  const best = bestStep === undefined || bestStep === evaluation.step ? [] : [`best at step ${bestStep}`]
  return [`held-out at step ${evaluation.step}`, ...evaluationFields(evaluation.metrics), ...best]
}

function evaluationFields({ eval_accuracy: accuracy, eval_loss: loss }: StepMetrics): string[] {
  return [...(typeof accuracy === "number" ? [`accuracy ${percent(accuracy)}`] : []), ...field("loss", loss, 4)]
}

/** Nothing for a metric that the method does not have; a dash for one that is not finite. */
function field(label: string, value: StepMetrics[string] | undefined, digits: number): string[] {
  if (value === undefined) return []
  return [`${label} ${typeof value === "number" ? value.toFixed(digits) : "–"}`]
}

const GAP = "   "

/** Fields side by side, on as many lines as the width asks for. */
function flow(fields: readonly string[], width: number): string[] {
  const lines: string[] = []
  for (const entry of fields) {
    const joined = lines.length === 0 ? entry : `${lines.at(-1)}${GAP}${entry}`
    if (lines.length > 0 && joined.length <= width) lines[lines.length - 1] = joined
    else lines.push(entry.slice(0, width))
  }
  return lines
}
