// What names a run: its checkpoints belong to it and to no other.
import { sha256 } from "#gpu-runner/data/files.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import type { StepPlan } from "../plan/step-plan.ts"
import type { RunInputs } from "./run-inputs.ts"

/**
 * All that the run's result depends on; when checkpoints are written, when a run gives up (of bad rows too) and what memory it takes are not among it, except
 * by what the memory decides: tokens of a micro-batch, and whether rows keep gradients, which are then summed in another order.
 */
export function runDigestOf(
  config: TrainConfig,
  inputs: Pick<RunInputs, "dataDigest" | "model" | "startAdapter">,
  referenceDigest: string | undefined,
  { keepsRowGradients }: Pick<StepPlan, "keepsRowGradients">,
): string {
  const { checkpointEvery: _, keepCheckpoints: __, onNonFinite: ___, maxSkippedInARow: ____, ...more } = config
  const { checkpointing: _____, deviceMemoryGb: ______, maxBadShare: _______, ...decisive } = more
  return sha256(
    canonicalJson({
      config: decisive,
      keepsRowGradients,
      data: inputs.dataDigest,
      model: inputs.model.fingerprint,
      adapter: inputs.startAdapter?.digest,
      reference: referenceDigest,
    }),
  )
}
