// How much of the device's memory is ours to take.
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"

/** Of the machine's own memory, where other programs live too. */
const SHARE_OF_MACHINE = 0.5
/** A card keeps some for the driver and a display. */
const SHARE_OF_CARD = 0.9

/** Kinds that are told where a base does not fit as it is held; the fewest bits last. */
export const FEWER_BITS = ["int8", "nf4"] as const

/** Bytes that the run may take: as configured, or a share of what the device says it has; undefined where it says nothing. */
export function deviceBudgetBytes(
  { lane, info, memoryBytes }: Pick<GpuDevice, "lane" | "info" | "memoryBytes">,
  { deviceMemoryGb }: Pick<TrainConfig, "deviceMemoryGb">,
): number | undefined {
  if (deviceMemoryGb !== undefined) return deviceMemoryGb * 1e9
  const sharesMachine = lane === "software" || info.backend === "metal"
  return memoryBytes === undefined ? undefined : memoryBytes * (sharesMachine ? SHARE_OF_MACHINE : SHARE_OF_CARD)
}
