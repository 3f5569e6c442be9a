// How much of the device's memory is ours to take.
import type { GpuDevice } from "./open-device.ts"

/** Of the machine's own memory, where other programs live too. */
const SHARE_OF_MACHINE = 0.5
/** A card keeps some for the driver and a display. */
const SHARE_OF_CARD = 0.9

/** Bytes that may be taken: a share of what the device says it has; undefined where it says nothing. */
export function memoryBudgetBytes({
  lane,
  info,
  memoryBytes,
}: Pick<GpuDevice, "lane" | "info" | "memoryBytes">): number | undefined {
  const sharesMachine = lane === "software" || info.backend === "metal"
  return memoryBytes === undefined ? undefined : memoryBytes * (sharesMachine ? SHARE_OF_MACHINE : SHARE_OF_CARD)
}
