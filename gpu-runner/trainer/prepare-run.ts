// Everything before the first optimiser step: the policy on the device, the reference of every row, the self-test, the base's accuracy.
// The reference is the policy as it stands before step 1: the base model, or the base with the adapter that training starts from.
import { NoUsableRows, ReferenceMismatch } from "#gpu-runner/data/errors.ts"
import { sha256 } from "#gpu-runner/data/files.ts"
import { rowPositions, type TokenRow } from "#gpu-runner/data/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder, type Decoder, withoutAdapter } from "#gpu-runner/models/decoder-parameters.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import type { Adapter } from "#shared/formats/peft.ts"
import { initialGapStatistics } from "#shared/preference/gap-statistics.ts"
import { needsReference } from "#shared/preference/methods.ts"
import { UnusableConfig } from "./errors.ts"
import { evaluateHeldOut, type HeldOutEvaluation, scoredPair } from "./evaluate.ts"
import { freshAdapter } from "./fresh-adapter.ts"
import type { RunInputs } from "./run-inputs.ts"
import { type RowScores, scoreRows } from "./score-rows.ts"
import { type SelfTestResult, selfTest, selfTestSample } from "./self-test.ts"
import { defaultTokenBudget } from "./token-budget.ts"

export type ReferenceSource = "given" | "computed" | "none"

export interface PreparedRun {
  readonly policy: Decoder
  /** The adapter whose matrices are trained; undefined in a full fine-tune. */
  readonly adapter: Adapter | undefined
  /** With every value resolved, also those that depend on the model. */
  readonly config: TrainConfig & { readonly tokensPerMicroBatch: number }
  /** Training rows with their references, where the run has any. */
  readonly train: readonly TokenRow[]
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
  const config = resolveForModel(context, inputs)
  checkEvaluation(config, inputs)
  if (inputs.train.length === 0) throw new NoUsableRows("the training data", inputs.dropped)
  const adapter = adapterOf(inputs)
  const positionCount = [...inputs.train, ...inputs.heldOut].reduce((most, row) => Math.max(most, rowPositions(row)), 1)
  const train = adapter ? "adapter" : "weights"
  const policy = createDecoder(context, inputs.model, { positionCount, adapter, train })
  try {
    const initial = adapter && !inputs.startAdapter ? withoutAdapter(policy) : policy
    const reference = await referencedRows(context, initial, config, inputs)
    const heldOut = await evaluatedHeldOut(context, initial, config, inputs)
    return {
      policy,
      adapter,
      config,
      ...reference,
      selfTest: await runSelfTest(context, policy, config, reference.train),
      ...heldOut,
      runDigest: digestOf(config, inputs, reference.referenceDigest),
    }
  } catch (error) {
    policy.release()
    throw error
  }
}

function resolveForModel(context: OpContext, { config, model }: RunInputs): PreparedRun["config"] {
  const tokensPerMicroBatch = config.tokensPerMicroBatch ?? defaultTokenBudget(model.config, context.gpu.limits)
  return { ...config, tokensPerMicroBatch, maxLength: effectiveMaxLength(config, model.config.maxPositions) }
}

/** The configured length, or the model's own limit where that is less. */
export function effectiveMaxLength({ maxLength }: Pick<TrainConfig, "maxLength">, maxPositions: number): number {
  return Math.min(maxLength, maxPositions)
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
  const { train: rows, model, startAdapter } = inputs
  const given = rows.filter(({ reference }) => reference !== undefined).length
  if (given === rows.length) {
    return { train: rows, referenceSource: "given" as const, referenceDigest: inputs.referenceDigest }
  }
  if (given > 0) {
    throw new ReferenceMismatch(`${given} of ${rows.length} rows have a reference; give one for every row or for none`)
  }
  if (config.method === "sft" || !needsReference({ ...config, method: config.method })) {
    return { train: rows, referenceSource: "none" as const, referenceDigest: undefined }
  }
  const scores = await scoreRows(context, initial, rows, {
    tokenBudget: config.tokensPerMicroBatch,
    signal: inputs.signal,
    onScored: (done) => inputs.onProgress?.({ _tag: "Reference", done, total: rows.length }),
  })
  const train = withScoredReference(rows, scores)
  const referenceDigest = startAdapter ? sha256(model.fingerprint, startAdapter.digest) : model.fingerprint
  return { train, referenceSource: "computed" as const, referenceDigest }
}

/** The policy with its adapter in place, against the reference: also where the reference was computed here, without the adapter. */
async function runSelfTest(
  context: OpContext,
  policy: Decoder,
  config: PreparedRun["config"],
  rows: readonly TokenRow[],
): Promise<SelfTestResult | undefined> {
  const sample = config.method === "sft" ? [] : selfTestSample(rows)
  if (sample.length === 0) return undefined
  const scores = await scoreRows(context, policy, sample, { tokenBudget: config.tokensPerMicroBatch })
  return selfTest(sample, scores, config.selfTestTolerance)
}

/** Held-out rows keep the reference that they came with; the others get the initial policy's scores. */
async function evaluatedHeldOut(
  context: OpContext,
  initial: Decoder,
  config: PreparedRun["config"],
  { heldOut, signal }: RunInputs,
): Promise<Pick<PreparedRun, "heldOut" | "baseEvaluation">> {
  if (heldOut.length === 0) return { heldOut, baseEvaluation: undefined }
  const scores = await scoreRows(context, initial, heldOut, { tokenBudget: config.tokensPerMicroBatch, signal })
  const referenced = heldOut.every(({ reference }) => reference) ? heldOut : withScoredReference(heldOut, scores)
  return {
    heldOut: referenced,
    baseEvaluation: evaluateHeldOut(referenced, scores, initialGapStatistics, config),
  }
}

function withScoredReference(rows: readonly TokenRow[], scores: readonly RowScores[]): TokenRow[] {
  return rows.map((row, index) => ({ ...row, reference: scoredPair(scores[index]!) }))
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

/** All that the run's result depends on; how often checkpoints are written and when a run gives up are not among it. */
function digestOf(config: PreparedRun["config"], inputs: RunInputs, referenceDigest: string | undefined): string {
  const { checkpointEvery: _, keepCheckpoints: __, onNonFinite: ___, maxSkippedInARow: ____, ...decisive } = config
  return sha256(
    canonicalJson({
      config: decisive,
      data: inputs.dataDigest,
      model: inputs.model.fingerprint,
      adapter: inputs.startAdapter?.digest,
      reference: referenceDigest,
    }),
  )
}
