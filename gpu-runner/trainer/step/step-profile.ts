// Where the device's time goes in training steps: the times of every dispatch, summed by phase and by kernel.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { DispatchTimer, type TimedDispatch, type TimerClock } from "#gpu-runner/device/dispatch-timer.ts"

export interface ProfileRow {
  readonly phase: string
  /** "kernel.variant"; undefined in a phase's own row. */
  readonly kernel?: string
  readonly dispatches: number
  /** Milliseconds of all of them together, a step. */
  readonly ms: number
  /** Of all dispatches' time. */
  readonly share: number
}

/** All numbers are of one step: means over `steps`. */
export interface Profile {
  /** `timestamp`: by the device; `queue`: by when the host heard that a dispatch was done, for adapters without timestamps. */
  readonly clock: TimerClock
  readonly steps: number
  readonly dispatches: number
  /** Sum of all dispatches' times. */
  readonly busyMs: number
  /** From the first dispatch's start to the last one's end: what is beyond busyMs, the device waited for the host. */
  readonly spanMs: number
  /** Share of busyMs in matrix products. */
  readonly matmulShare: number
  /** The step's products recorded alone, in turn with the profiled steps; where they were. */
  readonly gemmMs?: number
  /** Forward, backward, head, attention, optimiser; most time first. */
  readonly phases: readonly ProfileRow[]
  /** By phase, kernel and variant; most time first. */
  readonly kernels: readonly ProfileRow[]
}

/** Whether a dispatch is a matrix product, with whatever its kernel adds on the way out. */
export function isMatmul({ kernel }: Pick<TimedDispatch, "kernel">): boolean {
  return kernel.name.startsWith("matmul")
}

/** "kernel.variant", or the kernel's name alone where it has one variant. */
export function kernelName({ kernel, variant }: Pick<TimedDispatch, "kernel" | "variant">): string {
  const name = Object.entries(kernel.variants).find(([, candidate]) => candidate === variant)?.[0]
  return name === undefined || name === "only" ? kernel.name : `${kernel.name}.${name}`
}

/** Attention's kernels are a phase of their own, forward and backward. */
function phaseOf({ kernel, phase }: TimedDispatch): string {
  if (kernel.name.startsWith("attention")) return "attention"
  return phase === "" ? "other" : phase
}

/** From the first dispatch's start to the last one's end. */
export function spanMs(dispatches: readonly TimedDispatch[]): number {
  const start = dispatches.reduce((least, { startMs }) => Math.min(least, startMs), Number.POSITIVE_INFINITY)
  const end = dispatches.reduce((most, { endMs }) => Math.max(most, endMs), Number.NEGATIVE_INFINITY)
  return dispatches.length === 0 ? 0 : end - start
}

/** The profile of `steps` whole steps from their dispatches, in one or several stretches between which something else ran. */
export function profileOf(stretches: readonly (readonly TimedDispatch[])[], steps: number, clock: TimerClock): Profile {
  const dispatches = stretches.flat()
  const durationOf = ({ startMs, endMs }: TimedDispatch) => endMs - startMs
  const busy = dispatches.reduce((sum, dispatch) => sum + durationOf(dispatch), 0)
  const rows = (keyOf: (dispatch: TimedDispatch) => string, withKernel: boolean): ProfileRow[] => {
    const groups = Map.groupBy(dispatches, keyOf)
    const summed = [...groups.values()].map((group): ProfileRow => {
      const ms = group.reduce((sum, dispatch) => sum + durationOf(dispatch), 0)
      return {
        phase: phaseOf(group[0]!),
        ...(withKernel ? { kernel: kernelName(group[0]!) } : {}),
        dispatches: group.length / steps,
        ms: ms / steps,
        share: busy > 0 ? ms / busy : 0,
      }
    })
    return summed.toSorted((left, right) => right.ms - left.ms)
  }
  const products = dispatches.filter(isMatmul).reduce((sum, dispatch) => sum + durationOf(dispatch), 0)
  return {
    clock,
    steps,
    dispatches: dispatches.length / steps,
    busyMs: busy / steps,
    spanMs: stretches.reduce((sum, stretch) => sum + spanMs(stretch), 0) / steps,
    matmulShare: busy > 0 ? products / busy : 0,
    phases: rows(phaseOf, false),
    kernels: rows((dispatch) => `${phaseOf(dispatch)} ${kernelName(dispatch)}`, true),
  }
}

/** Tables for people. Where the profile knows the time of the products alone, each row also as a share of that. */
export function describeProfile(profile: Profile): string {
  const { clock, steps, busyMs, spanMs: span, matmulShare, phases, kernels, gemmMs } = profile
  const cells = ({ phase, kernel, dispatches, ms, share }: ProfileRow) => [
    phase,
    kernel ?? "",
    String(Math.round(dispatches)),
    ms.toFixed(2),
    `${(100 * share).toFixed(1)} %`,
    ...(gemmMs === undefined ? [] : [`${((100 * ms) / gemmMs).toFixed(1)} %`]),
  ]
  const head = ["phase", "kernel", "dispatches", "ms", "share", ...(gemmMs === undefined ? [] : ["of products alone"])]
  const how = clock === "timestamp" ? "timestamps" : "the host's clock, since this adapter has no timestamps"
  const summary =
    `profile: ${steps} ${steps === 1 ? "step" : "steps"} by ${how}; a step's dispatches take ${busyMs.toFixed(2)} ms of ${span.toFixed(2)}, ` +
    `${(100 * matmulShare).toFixed(1)} % of it in products${gemmMs === undefined ? "" : `; the products alone take ${gemmMs.toFixed(2)} ms`}`
  return [summary, ...alignedColumns([head, ...phases.map(cells)]), ...alignedColumns(kernels.map(cells))].join("\n")
}

/** Text in columns: the first two to the left, numbers to the right. */
function alignedColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("  "),
  )
}

/** More steps say no more, and their timestamps would wait in memory. */
const MOST_STEPS = 20

/** Times the first steps of a run. */
export class StepProfiler {
  readonly #context: OpContext
  readonly #timer: DispatchTimer
  #steps = 0

  constructor(context: OpContext) {
    this.#context = context
    this.#timer = new DispatchTimer(context.gpu)
  }

  start(): void {
    this.#context.recorder.timeDispatches(this.#timer)
  }

  /** To be called when a step is done. */
  countStep(): void {
    if (this.#steps === MOST_STEPS) return
    this.#steps += 1
    if (this.#steps === MOST_STEPS) this.#context.recorder.timeDispatches(undefined)
  }

  /** Undefined where no step was done. */
  async finish(): Promise<Profile | undefined> {
    this.#context.recorder.timeDispatches(undefined)
    const timed = await this.#timer.read()
    // A step is counted when its norm has come, with the scores of the next: what that one began is not of these steps.
    const dispatches = timed.slice(0, timed.findLastIndex(({ phase }) => phase === "optimiser") + 1)
    return this.#steps === 0 ? undefined : profileOf([dispatches], this.#steps, this.#timer.clock)
  }

  release(): void {
    this.#timer.destroy()
  }
}
