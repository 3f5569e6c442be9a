// Scores of the model as it stands before the first step, kept in the run's folder micro-batch by micro-batch: a pass over the reference
// that is killed goes on where it was, and a resumed run need not score again. What is read back has the bits of what was scored.

import { runningDigest, sha256 } from "#gpu-runner/data/files.ts"
import { drawnMicroBatches } from "#gpu-runner/data/rows/micro-batches.ts"
import type { Rows, TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { RunFolder } from "#gpu-runner/data/run/run-folder.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { type RowScores, type ScoredRows, type ScoreOptions, scoreMicroBatch } from "../step/score-rows.ts"
import type { ResolvedConfig, RunInputs } from "./run-inputs.ts"

type ScoredWith = Pick<ResolvedConfig, "tokensPerMicroBatch" | "baseWeights" | "precision">
type ScoredFor = Pick<RunInputs, "outDir" | "model" | "startAdapter" | "signal">

interface KeptOptions extends Pick<ScoreOptions, "reads" | "onScored"> {
  /** Of the file in the run's `checkpoints`. */
  readonly name: string
}

/** As scoreRows, with what an earlier attempt of this very run has scored. */
export async function scoreRowsKept(
  context: OpContext,
  model: Decoder,
  rows: Rows,
  config: ScoredWith,
  inputs: ScoredFor,
  options: KeptOptions,
): Promise<RowScores[]> {
  const scores: RowScores[] = []
  for await (const group of scoredGroupsKept(context, model, rows, config, inputs, options))
    scores.push(...group.scores)
  return scores
}

/** As scoreRowsKept, micro-batch by micro-batch: only the rows of one are in memory. */
export async function* scoredGroupsKept(
  context: OpContext,
  model: Decoder,
  rows: Rows,
  { tokensPerMicroBatch, ...config }: ScoredWith,
  inputs: ScoredFor,
  { name, reads, onScored }: KeptOptions,
): AsyncGenerator<ScoredRows> {
  const owner = ownerOf(rows, { tokensPerMicroBatch, ...config }, inputs, reads)
  const kept = new RunFolder(inputs.outDir).scores(name, owner)
  const blocks = kept.read()
  let scored = 0
  let told = 0
  const tell = () => {
    if (scored > told) onScored?.(scored)
    told = scored
  }
  try {
    for (const group of drawnMicroBatches(rows, tokensPerMicroBatch)) {
      inputs.signal?.throwIfAborted()
      const block = blocks.next().value
      if (!block) tell()
      const scores = block
        ? unpacked(block, group, reads)
        : (await scoreMicroBatch(context, model, group, reads)).scores
      if (!block) kept.append(packed(scores))
      scored += scores.length
      // What was kept is told of at once.
      if (!block) tell()
      yield { rows: group, scores }
    }
    tell()
  } finally {
    blocks.return(undefined)
  }
}

/** All that scores and their order depend on. */
function ownerOf(
  rows: Rows,
  { tokensPerMicroBatch, baseWeights, precision }: ScoredWith,
  { model, startAdapter }: ScoredFor,
  { collisions = false, reference }: NonNullable<ScoreOptions["reads"]> = {},
): string {
  const [lengths, ids] = [runningDigest(), runningDigest()]
  for (const { promptIds, chosenIds, rejectedIds } of rows) {
    for (const part of [promptIds, chosenIds, rejectedIds]) {
      lengths.add(Uint32Array.of(part.length))
      ids.add(part)
    }
  }
  const facts = {
    version: 1,
    lengths: lengths.finish(),
    ids: ids.finish(),
    tokensPerMicroBatch,
    baseWeights,
    precision,
    model: model.fingerprint,
    adapter: startAdapter?.digest ?? null,
    reads: { collisions, divergences: reference !== undefined },
  }
  return sha256(canonicalJson(facts))
}

function valuesOf({ chosen, rejected, distributions: of }: RowScores): Float32Array[] {
  const more = [of?.chosen.collisions, of?.rejected.collisions, of?.chosen.divergences, of?.rejected.divergences]
  return [chosen, rejected, ...more.filter((values) => values !== undefined)]
}

function packed(batch: readonly RowScores[]): Uint8Array {
  const values = batch.flatMap(valuesOf)
  const all = new Float32Array(values.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of values) {
    all.set(part, at)
    at += part.length
  }
  return new Uint8Array(all.buffer)
}

function unpacked(
  block: Uint8Array,
  rows: readonly TokenRow[],
  { collisions = false, reference }: NonNullable<ScoreOptions["reads"]> = {},
): RowScores[] {
  const all = new Float32Array(block.slice().buffer)
  let at = 0
  const take = (count: number) => {
    at += count
    return all.subarray(at - count, at)
  }
  return rows.map(({ chosenIds: { length: chosen }, rejectedIds: { length: rejected } }) => {
    const scores = { chosen: take(chosen), rejected: take(rejected) }
    if (!collisions && !reference) return scores
    const ofCollisions = collisions ? [take(chosen), take(rejected)] : []
    const ofDivergences = reference ? [take(chosen), take(rejected)] : []
    const side = (index: 0 | 1) => ({ collisions: ofCollisions[index], divergences: ofDivergences[index] })
    return { ...scores, distributions: { chosen: side(0), rejected: side(1) } }
  })
}
