// How much of the device's memory a run may take.
import { memoryBudgetBytes } from "#gpu-runner/device/memory-budget.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"

/** Kinds that are told where a base does not fit as it is held; the fewest bits last. */
export const FEWER_BITS = ["int8", "nf4"] as const

/** Bytes that the run may take: as configured, or a share of what the device says it has; undefined where it says nothing. */
export function deviceBudgetBytes(
  gpu: Pick<GpuDevice, "lane" | "info" | "memoryBytes">,
  { deviceMemoryGb }: Pick<TrainConfig, "deviceMemoryGb">,
): number | undefined {
  return deviceMemoryGb === undefined ? memoryBudgetBytes(gpu) : deviceMemoryGb * 1e9
}
