// Times several subjects in turn, round by round, so that what disturbs a machine disturbs them alike; the order alternates. Medians and
// ranges; the first rounds, which compile and fill caches, are not counted.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { DispatchTimer, type TimedDispatch } from "#gpu-runner/device/dispatch-timer.ts"
import { kernelName, spanMs } from "#gpu-runner/trainer/step/step-profile.ts"

/** Something to time. What `run` records and does not submit itself is submitted, and waited for, within its time. */
export interface Subject {
  readonly name: string
  readonly run: () => void | Promise<void>
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Timing {
  /** From the start of recording until the queue is empty, or with `deviceClock` from the first dispatch's start to the last one's end. */
  readonly ms: Spread
  /** Processor time of this process, all threads: on a software adapter the work itself, whatever else the machine does. */
  readonly cpuMs: Spread
}

export interface RoundOptions {
  /** Counted rounds, at least 1. */
  readonly rounds: number
  /** By the device's timestamps instead of the host's clock. */
  readonly deviceClock: boolean
  /** Runs in a row that one sample is the mean of: steps overlap on a GPU, where the next is encoded while one runs. 1 by default. */
  readonly repeats?: number
  /** Called before every run; `round` 0 is the warm-up. */
  readonly onRun?: ((name: string, round: number, rounds: number) => void) | undefined
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)! }
}

/** Real GPUs are timed by their own clock where they have one; a software adapter's work is the host's own. */
export function usesDeviceClock({ gpu }: OpContext): boolean {
  return gpu.lane === "gpu" && gpu.features.has("timestamp-query")
}

const STEPS_IN_A_ROW = 4

/** Steps of one sample: a software adapter is the host, so that nothing overlaps there. */
export function repeatsOf({ gpu }: OpContext): number {
  return gpu.lane === "gpu" ? STEPS_IN_A_ROW : 1
}

interface Sample {
  readonly ms: number
  readonly cpuMs: number
}

/** One timing a subject, in their order, with the samples of the counted rounds. */
export async function timeInTurn(
  context: OpContext,
  subjects: readonly Subject[],
  { rounds, deviceClock, onRun, repeats = 1 }: RoundOptions,
): Promise<(Timing & { readonly samples: readonly Sample[] })[]> {
  const samples = subjects.map(() => [] as Sample[])
  for (let round = 0; round <= rounds; round++) {
    const order = subjects.map((_, index) => (round % 2 === 0 ? index : subjects.length - 1 - index))
    for (const index of order) {
      const subject = subjects[index]!
      onRun?.(subject.name, round, rounds)
      const sample = await timed(context, subject, deviceClock, repeats)
      if (round > 0) samples[index]!.push(sample)
    }
  }
  return samples.map((own) => ({
    ms: spread(own.map(({ ms }) => ms)),
    cpuMs: spread(own.map(({ cpuMs }) => cpuMs)),
    samples: own,
  }))
}

async function timed(
  context: OpContext,
  { run: runOnce }: Subject,
  deviceClock: boolean,
  repeats: number,
): Promise<Sample> {
  const run = async () => {
    for (let repeat = 0; repeat < repeats; repeat++) await runOnce()
  }
  if (deviceClock) {
    return { ms: spanMs(await dispatchesOf(context, run)) / repeats, cpuMs: 0 }
  }
  const startedMs = performance.now()
  const cpu = process.cpuUsage()
  await runToTheEnd(context, run)
  const { user, system } = process.cpuUsage(cpu)
  return { ms: (performance.now() - startedMs) / repeats, cpuMs: (user + system) / 1000 / repeats }
}

async function runToTheEnd({ gpu, memory, recorder }: OpContext, run: Subject["run"]): Promise<void> {
  const scope = memory.openScope()
  try {
    await run()
    await recorder.submitCompiled()
    await gpu.wait(gpu.device.queue.onSubmittedWorkDone())
  } finally {
    scope.close()
  }
}

/** The dispatches of one run with their times, each in a pass of its own. */
export async function dispatchesOf(context: OpContext, run: Subject["run"]): Promise<TimedDispatch[]> {
  const timer = new DispatchTimer(context.gpu)
  context.recorder.timeDispatches(timer)
  try {
    await runToTheEnd(context, run)
    context.recorder.timeDispatches(undefined)
    return await timer.read()
  } finally {
    context.recorder.timeDispatches(undefined)
    timer.destroy()
  }
}

/** Names of the kernels among some dispatches, with their variants, once each: "matmul_subgroup.transposeB". */
export function kernelNames(dispatches: readonly TimedDispatch[]): string[] {
  return [...new Set(dispatches.map(kernelName))]
}
