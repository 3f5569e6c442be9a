// Everything before the first optimiser step: the policy on the device, the reference of every row, the self-test, the base's accuracy.
// The reference is the policy as it stands before step 1: the base model, or the base with the adapter that training starts from.

import { NoUsableRows, ReferenceMismatch } from "#gpu-runner/data/errors.ts"
import { sha256 } from "#gpu-runner/data/files.ts"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import { mostPositions, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder, type Decoder, withoutAdapter } from "#gpu-runner/models/decoder-parameters.ts"
import { adamwLayout } from "#gpu-runner/optimiser/adamw-state.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import { needsReference, needsReferenceModel, needsReferenceTokens } from "#shared/methods/methods.ts"
import { UnusableConfig } from "../errors.ts"
import { memoryPlan } from "../plan/memory-plan.ts"
import { plannedStep } from "../plan/planned-step.ts"
import type { StepPlan } from "../plan/step-plan.ts"
import { evaluateHeldOut, type HeldOutEvaluation, scoredPair } from "../results/evaluate.ts"
import { withFiniteReferences } from "../rows/finite-references.ts"
import { heldOutKtoRows, ktoRows } from "../rows/kto-rows.ts"
import { effectiveMaxLength } from "../rows/read-rows.ts"
import { type DistributionReads, type RowScores, scoreRows } from "../step/score-rows.ts"
import { freshAdapter } from "./fresh-adapter.ts"
import { runDigestOf } from "./run-digest.ts"
import type { RunInputs } from "./run-inputs.ts"
import { type SelfTestResult, selfTest, selfTestSample } from "./self-test.ts"

/** A software adapter takes seconds for a hundred tokens of a small model. */
const SOFTWARE_SELF_TEST_TOKENS = 256

export type ReferenceSource = "given" | "computed" | "none"

export interface PreparedRun {
  readonly policy: Decoder
  /** What the method's loss reads of the distributions; TDPO's reference model among it. */
  readonly reads: DistributionReads
  /** The adapter whose matrices are trained; undefined in a full fine-tune. */
  readonly adapter: Adapter | undefined
  /** With every value resolved, also those that depend on the model. */
  readonly config: TrainConfig & { readonly tokensPerMicroBatch: number }
  readonly stepPlan: StepPlan
  /** Training rows with their references, where the run has any. */
  readonly train: readonly TokenRow[]
  /** Rows that were left out, by reason: by the reader, and here those whose reference is not finite. */
  readonly dropped: Readonly<Record<string, number>>
  /** Of kto: mismatched completions that were cut to fit. */
  readonly truncatedKlSamples: number
  readonly referenceSource: ReferenceSource
  readonly referenceDigest: string | undefined
  readonly selfTest: SelfTestResult | undefined
  /** Held-out pairs, each with its reference. */
  readonly heldOut: readonly TokenRow[]
  /** The held-out pairs before the first step; undefined without any. */
  readonly baseEvaluation: HeldOutEvaluation | undefined
  /** Names the run for its checkpoints. */
  readonly runDigest: string
}

/** Errors: NoUsableRows, UnusableConfig, SelfTestFailed, and those of createDecoder. */
export async function prepareRun(context: OpContext, inputs: RunInputs): Promise<PreparedRun> {
  const maxLength = effectiveMaxLength(inputs.config, inputs.model.config.maxPositions)
  const asked: TrainConfig = { ...inputs.config, maxLength }
  checkEvaluation(asked, inputs)
  if (inputs.train.length === 0) throw new NoUsableRows("the training data", inputs.dropped)
  const { truncatedKlSamples, ...rows } = rowsOfMethod(asked, inputs)
  const adapter = adapterOf(inputs)
  const positionCount = mostPositions([...rows.train, ...rows.heldOut])
  const hasFreshAdapter = adapter !== undefined && !inputs.startAdapter
  const hasReferenceCopy = needsReferenceModel(asked) && !hasFreshAdapter
  const stepPlan = plannedStep(context, asked, inputs.model, {
    adapter,
    positionCount,
    hasReferenceCopy,
    rows: rows.train,
  })
  if (stepPlan.budgetBytes !== undefined) context.memory.reserveAtMost(stepPlan.budgetBytes)
  const config = { ...asked, tokensPerMicroBatch: stepPlan.tokens }
  const trained = uploadedPolicy(context, config, inputs, { positionCount, adapter })
  let policy = trained
  try {
    const initial = hasFreshAdapter ? withoutAdapter(trained) : trained
    const reads = readsOf(context, config, inputs, { positionCount, initial, trained })
    policy = releasedTogether(trained, reads.reference)
    const sizes = { adapter, hasReferenceCopy }
    inputs.onProgress?.({ _tag: "Memory", plan: memoryPlan(inputs.model, config, sizes, stepPlan) })
    const reference = await referencedRows(context, initial, config, { ...inputs, ...rows })
    const heldOut = await evaluatedHeldOut(context, initial, config, { ...inputs, ...rows, reads })
    return {
      policy,
      reads,
      adapter,
      config,
      stepPlan,
      truncatedKlSamples,
      ...reference,
      selfTest: await runSelfTest(context, policy, config, { ...inputs, train: reference.train }),
      ...heldOut,
      runDigest: runDigestOf(config, inputs, reference.referenceDigest, stepPlan),
    }
  } catch (error) {
    policy.release()
    throw error
  }
}

/** Pairs, or the labelled rows that kto makes of them. */
function rowsOfMethod({ method, maxLength }: TrainConfig, { train, heldOut }: RunInputs) {
  if (method !== "kto") {
    const labelled = method === "sft" ? undefined : train.find(({ label }) => label !== undefined)
    if (!labelled) return { train, heldOut, truncatedKlSamples: 0 }
    throw new UnusableConfig(
      `row ${JSON.stringify(labelled.id)} is a labelled completion and no pair, which ${method} compares; use method kto, or give pairs`,
    )
  }
  if (train.some(({ reference }) => reference !== undefined)) {
    throw new ReferenceMismatch(
      "kto scores its own reference, since it also needs mismatched completions; leave the reference out",
    )
  }
  const { rows, truncated } = ktoRows(train, maxLength)
  return { train: rows, heldOut: heldOutKtoRows(heldOut, maxLength), truncatedKlSamples: truncated }
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

function adapterOf({ config, model, startAdapter, baseModel }: RunInputs): Adapter | undefined {
  if (startAdapter) {
    if (config.loraRank > 0) return startAdapter.adapter
    throw new UnusableConfig(
      "loraRank 0 trains all weights and cannot start from an adapter; merge it first (yohaku export --format merged)",
    )
  }
  return config.loraRank > 0 ? freshAdapter(model.config, config, baseModel) : undefined
}

async function referencedRows(context: OpContext, initial: Decoder, config: PreparedRun["config"], inputs: RunInputs) {
  const { train: rows, model, startAdapter, dropped } = inputs
  const given = rows.filter(({ reference }) => reference !== undefined).length
  if (given === rows.length) {
    if (needsReferenceTokens(config)) checkReferenceTokens(rows)
    const finite = withFiniteReferences(rows, dropped)
    return { ...finite, referenceSource: "given" as const, referenceDigest: inputs.referenceDigest }
  }
  if (given > 0) {
    throw new ReferenceMismatch(`${given} of ${rows.length} rows have a reference; give one for every row or for none`)
  }
  if (config.method === "sft" || !needsReference({ method: config.method, alpha: config.alpha })) {
    return { train: rows, dropped, referenceSource: "none" as const, referenceDigest: undefined }
  }
  const scores = await scoreRows(context, initial, rows, {
    tokenBudget: config.tokensPerMicroBatch,
    signal: inputs.signal,
    onScored: scoredProgress(inputs, "reference", rows.length),
  })
  const finite = withFiniteReferences(withScoredReference(rows, scores, config), dropped)
  const fingerprint = await baseFingerprint(model, config.baseWeights)
  const referenceDigest = startAdapter ? sha256(fingerprint, startAdapter.digest) : fingerprint
  return { ...finite, referenceSource: "computed" as const, referenceDigest }
}

/** LD-DPO weighs the tokens beyond the shorter response's length, one by one. */
function checkReferenceTokens(rows: readonly TokenRow[]): void {
  const bare = rows.find(({ reference }) => !reference?.chosen.logProbs || !reference.rejected.logProbs)
  if (!bare) return
  throw new ReferenceMismatch(
    `the reference of row ${JSON.stringify(bare.id)} has sums but no logProbs, which ld-dpo needs token by token; score the data again with \`yohaku score\`, or leave the reference out`,
  )
}

/** The policy with its adapter in place, against the reference: also where the reference was computed here, without the adapter. */
async function runSelfTest(
  context: OpContext,
  policy: Decoder,
  config: PreparedRun["config"],
  inputs: RunInputs,
): Promise<SelfTestResult | undefined> {
  const tokenLimit = context.gpu.lane === "software" ? SOFTWARE_SELF_TEST_TOKENS : Number.POSITIVE_INFINITY
  const sample = config.method === "sft" ? [] : selfTestSample(inputs.train, tokenLimit)
  if (sample.length === 0) return undefined
  const scores = await scoreRows(context, policy, sample, {
    tokenBudget: config.tokensPerMicroBatch,
    onScored: scoredProgress(inputs, "self-test", sample.length),
  })
  return selfTest(sample, scores, config.selfTestTolerance)
}

function scoredProgress({ onProgress }: RunInputs, what: string, total: number) {
  return (done: number) => onProgress?.({ _tag: "Preparing", what: `${what}: scored`, done, total, unit: "rows" })
}

/** Held-out rows keep the reference that they came with; the others get the initial policy's scores. */
async function evaluatedHeldOut(
  context: OpContext,
  initial: Decoder,
  config: PreparedRun["config"],
  inputs: RunInputs & { readonly reads: DistributionReads },
): Promise<Pick<PreparedRun, "heldOut" | "baseEvaluation">> {
  const { heldOut, signal, reads } = inputs
  if (heldOut.length === 0) return { heldOut, baseEvaluation: undefined }
  const onScored = scoredProgress(inputs, "held-out pairs", heldOut.length)
  const options = { tokenBudget: config.tokensPerMicroBatch, signal, reads, onScored }
  const scores = await scoreRows(context, initial, heldOut, options)
  const isGiven = heldOut.every(({ reference }) => reference)
  const referenced = isGiven ? heldOut : withScoredReference(heldOut, scores, config)
  return {
    heldOut: referenced,
    baseEvaluation: evaluateHeldOut(referenced, scores, initialGapStatistics, config),
  }
}

/** Rows with their scores under the initial policy as the reference: token by token where the method reads that. */
export function withScoredReference(
  rows: readonly TokenRow[],
  scores: readonly RowScores[],
  config: TrainConfig,
): TokenRow[] {
  const withTokens = needsReferenceTokens(config)
  return rows.map((row, index) => {
    const { chosen, rejected } = scores[index]!
    const sums = scoredPair(scores[index]!)
    const reference = withTokens
      ? { chosen: { ...sums.chosen, logProbs: chosen }, rejected: { ...sums.rejected, logProbs: rejected } }
      : sums
    return { ...row, reference }
  })
}

/** Keys that would have no effect without held-out pairs. */
function checkEvaluation(config: TrainConfig, { heldOut }: RunInputs): void {
  if (heldOut.length > 0) return
  const asked = config.loadBestAtEnd
    ? "loadBestAtEnd"
    : config.earlyStoppingPatience > 0
      ? "earlyStoppingPatience"
      : config.evaluateEvery > 0
        ? "evaluateEvery"
        : undefined
  if (asked === undefined) return
  throw new UnusableConfig(`${asked} needs held-out pairs; give --held-out, or set heldOutShare`)
}
