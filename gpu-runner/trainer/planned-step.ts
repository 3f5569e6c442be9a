// From a run's configuration and rows to how its steps are computed on this device.
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { DecoderSource } from "#gpu-runner/models/decoder-parameters.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { Adapter } from "#shared/formats/peft.ts"
import { needsReferenceModel } from "#shared/preference/methods.ts"
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

/** A software adapter's memory is the machine's own, where other programs live too; a card keeps some for the driver and a display. */
const SHARES = { software: 0.5, gpu: 0.9, null: 0.9 } as const

/** Bytes that the run may take: as configured, or a share of what the device says it has; undefined where it says nothing. */
function deviceBudgetBytes(
  { lane, memoryBytes }: Pick<GpuDevice, "lane" | "memoryBytes">,
  { deviceMemoryGb }: TrainConfig,
): number | undefined {
  if (deviceMemoryGb !== undefined) return deviceMemoryGb * 1e9
  return memoryBytes === undefined ? undefined : memoryBytes * SHARES[lane]
}
