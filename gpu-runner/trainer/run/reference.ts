// The reference of every row: given with the data, or the scores of the policy as it stands before step 1.
import { ReferenceMismatch } from "#gpu-runner/data/errors.ts"
import { sha256 } from "#gpu-runner/data/files.ts"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import { countReferences, type Rows, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { isPreferenceMethod, needsReference, needsReferenceTokens } from "#shared/methods/methods.ts"
import type { ReferenceSource } from "../results/artefacts.ts"
import { scoredPair } from "../results/evaluate.ts"
import { type FiniteRows, withFiniteReferences } from "../rows/finite-references.ts"
import type { RowScores } from "../step/score-rows.ts"
import { scoreRowsKept } from "./kept-scores.ts"
import { type ResolvedConfig, type RunInputs, scoredProgress } from "./run-inputs.ts"

export interface ReferencedRows extends FiniteRows {
  readonly referenceSource: ReferenceSource
  readonly referenceDigest: string | undefined
}

/**
 * The rows as the method reads them: with the reference that came with them, with the initial policy's scores, or with none. Rows whose
 * reference is not finite are left out. Errors: ReferenceMismatch, NoUsableRows.
 */
export async function referencedRows(
  context: OpContext,
  initial: Decoder,
  config: ResolvedConfig,
  inputs: RunInputs,
): Promise<ReferencedRows> {
  const { train: rows, model, startAdapter, dropped } = inputs
  const given = countReferences(rows)
  if (given === rows.length) {
    if (needsReferenceTokens(config)) checkReferenceTokens(rows)
    const finite = withFiniteReferences(rows, dropped)
    return { ...finite, referenceSource: "given", referenceDigest: inputs.referenceDigest }
  }
  if (given > 0) {
    throw new ReferenceMismatch(`${given} of ${rows.length} rows have a reference; give one for every row or for none`)
  }
  if (!isPreferenceMethod(config.method) || !needsReference({ method: config.method, alpha: config.alpha })) {
    return { train: rows, dropped, referenceSource: "none", referenceDigest: undefined }
  }
  const read = [...rows]
  const scores = await scoreRowsKept(context, initial, read, config, inputs, {
    name: "reference",
    onScored: scoredProgress(inputs, "reference", rows.length),
  })
  const finite = withFiniteReferences(withScoredReference(read, scores, config), dropped)
  const fingerprint = await baseFingerprint(model, config.baseWeights)
  const referenceDigest = startAdapter ? sha256(fingerprint, startAdapter.digest) : fingerprint
  return { ...finite, referenceSource: "computed", referenceDigest }
}

/** LD-DPO weighs the tokens beyond the shorter response's length, one by one. */
function checkReferenceTokens(rows: Rows): void {
  // A pack's are token by token.
  if (rows.onDisk) return
  const bare = [...rows].find(({ reference }) => !reference?.chosen.logProbs || !reference.rejected.logProbs)
  if (!bare) return
  throw new ReferenceMismatch(
    `the reference of row ${JSON.stringify(bare.id)} has sums but no logProbs, which ld-dpo needs token by token; score the data again with \`yohaku score\`, or leave the reference out`,
  )
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
