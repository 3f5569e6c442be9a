// Single ops as benchmark cases: what each is, how much it computes, and the kernels that it came to.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { dispatchesOf, kernelNames, type RoundOptions, type Spread, timeInTurn, usesDeviceClock } from "./rounds.ts"

export interface OpCase {
  readonly name: string
  /** What was computed, for the report. */
  readonly sizes: Readonly<Record<string, number | string>>
  readonly flops: number
  /** Records the op into the open scope. */
  readonly run: () => void
}

export interface OpResult {
  readonly name: string
  readonly sizes: OpCase["sizes"]
  readonly flops: number
  /** "kernel.variant" of its dispatches, once each, in the order of their first use. */
  readonly kernels: readonly string[]
  /** `device`: by timestamps; `host`: until the queue is empty. */
  readonly clock: "device" | "host"
  readonly ms: Spread
  /** Processor time of this process; null by the device's clock. */
  readonly cpuMs: Spread | null
  /** FLOPs by the median time. */
  readonly gflopsPerSecond: number
  /** FLOPs by the median processor time: what one core does in a second, whatever else the machine does; null by the device's clock. */
  readonly gflopsPerCpuSecond: number | null
}

/** Times the cases in turn. */
export async function timeOps(
  context: OpContext,
  cases: readonly OpCase[],
  options: Omit<RoundOptions, "deviceClock">,
): Promise<OpResult[]> {
  const kernels: string[][] = []
  for (const { run } of cases) kernels.push(kernelNames(await dispatchesOf(context, run)))
  const deviceClock = usesDeviceClock(context)
  const timings = await timeInTurn(context, cases, { ...options, deviceClock })
  return cases.map(({ name, sizes, flops }, index) => {
    const { ms, cpuMs } = timings[index]!
    return {
      name,
      sizes,
      flops,
      kernels: kernels[index]!,
      clock: deviceClock ? "device" : "host",
      ms,
      cpuMs: deviceClock ? null : cpuMs,
      gflopsPerSecond: flops / ms.median / 1e6,
      gflopsPerCpuSecond: deviceClock ? null : flops / cpuMs.median / 1e6,
    }
  })
}
