// Everything before the first optimiser step: the policy on the device, the reference of every row, the self-test, the base's accuracy.
// The reference is the policy as it stands before step 1: the base model, or the base with the adapter that training starts from.

import { countReferences, type Rows } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { residentBytes } from "#gpu-runner/device/memory-size.ts"
import { createDecoder, type Decoder, withoutAdapter } from "#gpu-runner/models/decoder-parameters.ts"
import { adamwLayout } from "#gpu-runner/optimiser/adamw-state.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import { needsReferenceModel } from "#shared/methods/methods.ts"
import { forecastMemory } from "../plan/memory-forecast.ts"
import type { StepPlan } from "../plan/step-plan.ts"
import type { SelfTestResult } from "../results/artefacts.ts"
import { evaluateHeldOut, type HeldOutEvaluation, JudgedRows } from "../results/evaluate.ts"
import type { DistributionReads } from "../step/score-rows.ts"
import { scoredGroupsKept, scoreRowsKept } from "./kept-scores.ts"
import { planRun } from "./plan-run.ts"
import { type ReferencedRows, referencedRows, withScoredReference } from "./reference.ts"
import { type RunIdentity, runIdentityOf } from "./run-digest.ts"
import { type ResolvedConfig, type RunInputs, scoredProgress } from "./run-inputs.ts"
import { runSelfTest } from "./self-test.ts"

export interface PreparedRun extends ReferencedRows {
  readonly policy: Decoder
  /** What the method's loss reads of the distributions; TDPO's reference model among it. */
  readonly reads: DistributionReads
  /** The adapter whose matrices are trained; undefined in a full fine-tune. */
  readonly adapter: Adapter | undefined
  readonly config: ResolvedConfig
  /** The model's width, where an adapter starts from zero. */
  readonly freshWidth: number | undefined
  readonly stepPlan: StepPlan
  /** What the run holds at most: on the device, on a software adapter with all else of the process. */
  readonly plannedBytes: number
  /** Of kto: mismatched completions that were cut to fit. */
  readonly truncatedKlSamples: number
  readonly selfTest: SelfTestResult | undefined
  /** Held-out pairs, each with its reference. */
  readonly heldOut: Rows
  /** The held-out pairs before the first step; undefined without any. */
  readonly baseEvaluation: HeldOutEvaluation | undefined
  /** Names the run for its checkpoints. */
  readonly identity: RunIdentity
}

/** Errors: those of planRun and createDecoder, SelfTestFailed. */
export async function prepareRun(context: OpContext, inputs: RunInputs): Promise<PreparedRun> {
  const plan = planRun(context, inputs)
  const { config, rows, adapter, positionCount, hasFreshAdapter, hasReferenceCopy, stepPlan } = plan
  if (stepPlan.budgetBytes !== undefined) context.memory.reserveAtMost(stepPlan.budgetBytes)
  const trained = uploadedPolicy(context, config, inputs, { positionCount, adapter })
  let policy = trained
  try {
    const initial = hasFreshAdapter ? withoutAdapter(trained) : trained
    const reads = readsOf(context, config, inputs, { positionCount, initial, trained })
    policy = releasedTogether(trained, reads.reference)
    const sizes = { adapter, hasReferenceCopy }
    const plannedBytes = bytesBesidesBuffers(context) + stepPlan.fixedBytes + stepPlan.heldBytes
    inputs.onProgress?.({ _tag: "Memory", forecast: forecastMemory(inputs.model, config, sizes, stepPlan) })
    const reference = await referencedRows(context, initial, config, { ...inputs, ...rows })
    const heldOut = await evaluatedHeldOut(context, initial, config, { ...inputs, ...rows, reads })
    const selfTest = await runSelfTest(context, policy, config, { ...inputs, train: reference.train })
    // Steps ask for other sizes: what scoring held would wait beside them to the end.
    context.memory.trim()
    return {
      policy,
      reads,
      adapter,
      config,
      freshWidth: hasFreshAdapter ? inputs.model.config.hiddenSize : undefined,
      stepPlan,
      plannedBytes,
      truncatedKlSamples: plan.truncatedKlSamples,
      ...reference,
      selfTest,
      ...heldOut,
      identity: runIdentityOf(config, inputs, reference.referenceDigest, stepPlan),
    }
  } catch (error) {
    policy.release()
    throw error
  }
}

/** On a software adapter the device's memory is this process's own, beside the program, its driver and what they read. */
function bytesBesidesBuffers({ gpu, memory }: OpContext): number {
  return gpu.lane === "software" ? Math.max(0, residentBytes() - memory.statistics().reservedBytes) : 0
}

/** Trains `adapter`, or all weights where there is none. */
function uploadedPolicy(
  context: OpContext,
  { baseWeights, optimiser }: TrainConfig,
  { model, onProgress }: RunInputs,
  { positionCount, adapter }: { readonly positionCount: number; readonly adapter: Adapter | undefined },
): Decoder {
  return createDecoder(context, model, {
    positionCount,
    adapter,
    train: adapter ? "adapter" : "weights",
    baseWeights,
    bankLayout: adamwLayout(optimiser),
    onUploaded: (done, total) =>
      onProgress?.({ _tag: "Preparing", what: "weights: on the device", done, total, unit: "tensors" }),
  })
}

/** TDPO reads the reference itself: the policy without its fresh adapter, or a frozen copy of what the run starts from. */
function readsOf(
  context: OpContext,
  config: TrainConfig,
  { model, startAdapter }: RunInputs,
  {
    positionCount,
    initial,
    trained,
  }: { readonly positionCount: number; readonly initial: Decoder; readonly trained: Decoder },
): DistributionReads {
  const collisions = config.useWeighting
  if (!needsReferenceModel(config)) return { collisions }
  if (initial !== trained) return { collisions, reference: initial }
  const options = { positionCount, adapter: startAdapter?.adapter, baseWeights: config.baseWeights }
  return { collisions, reference: createDecoder(context, model, options) }
}

/** A copy of its own goes with the policy; a reference on the policy's buffers has nothing to give back. */
function releasedTogether(policy: Decoder, reference: Decoder | undefined): Decoder {
  if (!reference || reference.release === policy.release) return policy
  return {
    ...policy,
    release: () => {
      reference.release()
      policy.release()
    },
  }
}

/** Held-out rows keep the reference that they came with; the others get the initial policy's scores. */
async function evaluatedHeldOut(
  context: OpContext,
  initial: Decoder,
  config: ResolvedConfig,
  inputs: RunInputs & { readonly reads: DistributionReads },
): Promise<Pick<PreparedRun, "heldOut" | "baseEvaluation">> {
  const { heldOut, reads } = inputs
  if (heldOut.length === 0) return { heldOut, baseEvaluation: undefined }
  const onScored = scoredProgress(inputs, "held-out pairs", heldOut.length)
  const kept = { name: "held-out", reads, onScored }
  if (countReferences(heldOut) === heldOut.length) {
    const judged = new JudgedRows(config)
    for await (const group of scoredGroupsKept(context, initial, heldOut, config, inputs, kept)) judged.add(group)
    return { heldOut, baseEvaluation: judged.evaluate(initialGapStatistics) }
  }
  const rows = [...heldOut]
  const scores = await scoreRowsKept(context, initial, rows, config, inputs, kept)
  const referenced = withScoredReference(rows, scores, config)
  return {
    heldOut: referenced,
    baseEvaluation: evaluateHeldOut(referenced, scores, initialGapStatistics, config),
  }
}
