// From a run's configuration and rows to how its steps are computed on this device.
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { DecoderSource } from "#gpu-runner/models/decoder-parameters.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { needsReferenceModel } from "#shared/methods/methods.ts"
import { rehearseRun } from "./rehearsed-run.ts"
import { planStep, type StepPlan } from "./step-plan.ts"

/** How the steps of a run are computed. Nothing is allocated. Errors: NotEnoughMemory. */
export function plannedStep(
  context: OpContext,
  config: TrainConfig,
  model: DecoderSource,
  run: {
    readonly adapter: Adapter | undefined
    readonly positionCount: number
    readonly hasReferenceCopy: boolean
    readonly rows: readonly TokenRow[]
  },
): StepPlan {
  const reference = run.hasReferenceCopy ? "copy" : needsReferenceModel(config) ? "base" : "none"
  const { optimiser, baseWeights, loraDropout } = config
  const { rows, ...ofRun } = run
  const rehearsed = rehearseRun(context, model, { ...ofRun, optimiser, baseWeights, loraDropout, reference })
  return planStep(context, {
    run: rehearsed,
    rows,
    config,
    budgetBytes: deviceBudgetBytes(context.gpu, config),
  })
}

/** Of the machine's own memory, where other programs live too. */
const SHARE_OF_MACHINE = 0.5
/** A card keeps some for the driver and a display. */
const SHARE_OF_CARD = 0.9

/** Bytes that the run may take: as configured, or a share of what the device says it has; undefined where it says nothing. */
export function deviceBudgetBytes(
  { lane, info, memoryBytes }: Pick<GpuDevice, "lane" | "info" | "memoryBytes">,
  { deviceMemoryGb }: Pick<TrainConfig, "deviceMemoryGb">,
): number | undefined {
  if (deviceMemoryGb !== undefined) return deviceMemoryGb * 1e9
  const sharesMachine = lane === "software" || info.backend === "metal"
  return memoryBytes === undefined ? undefined : memoryBytes * (sharesMachine ? SHARE_OF_MACHINE : SHARE_OF_CARD)
}
