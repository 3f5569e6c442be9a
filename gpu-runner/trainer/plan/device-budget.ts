// How much of the device's memory a run may take.
import { memoryBudgetBytes } from "#gpu-runner/device/memory-budget.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import type { HeldAs } from "../errors.ts"

/** What is told where a base does not fit as it is held; the fewest bits last. */
const FEWER_BITS = ["bf16", "f16", "int8", "nf4"] as const satisfies readonly BaseWeights[]

/** The kinds of base weights with which less is taken than `takenBytes`, and no more than `mostBytes`. */
export const fittingKinds = (
  bytesAs: (kind: BaseWeights) => number,
  takenBytes: number,
  mostBytes: number,
): readonly HeldAs[] =>
  FEWER_BITS.map((kind) => ({ kind, bytes: bytesAs(kind) })).filter(
    ({ bytes }) => bytes < takenBytes && bytes <= mostBytes,
  )

/** Bytes that the run may take: as configured, or a share of what the device says it has; undefined where it says nothing. */
export function deviceBudgetBytes(
  gpu: Pick<GpuDevice, "lane" | "info" | "memoryBytes">,
  { deviceMemoryGb }: Pick<TrainConfig, "deviceMemoryGb">,
): number | undefined {
  return deviceMemoryGb === undefined ? memoryBudgetBytes(gpu) : deviceMemoryGb * 1e9
}
