// Scores of the model as it stands before the first step, kept in the run's folder micro-batch by micro-batch: a pass over the reference
// that is killed goes on where it was, and a resumed run need not score again. What is read back has the bits of what was scored.
import { sha256 } from "#gpu-runner/data/files.ts"
import { microBatches } from "#gpu-runner/data/rows/micro-batches.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { RunFolder } from "#gpu-runner/data/run/run-folder.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { type RowScores, type ScoreOptions, scoreRows } from "../step/score-rows.ts"
import type { ResolvedConfig, RunInputs } from "./run-inputs.ts"

type ScoredWith = Pick<ResolvedConfig, "tokensPerMicroBatch" | "baseWeights" | "precision">
type ScoredFor = Pick<RunInputs, "outDir" | "model" | "startAdapter" | "signal">

/** As scoreRows, with what an earlier attempt of this very run has scored. `name` is that of the file in the run's `checkpoints`. */
export async function scoreRowsKept(
  context: OpContext,
  model: Decoder,
  rows: readonly TokenRow[],
  config: ScoredWith,
  inputs: ScoredFor,
  { name, ...options }: { readonly name: string } & Pick<ScoreOptions, "reads" | "onScored">,
): Promise<RowScores[]> {
  const { tokensPerMicroBatch: tokenBudget } = config
  const { signal } = inputs
  const owner = ownerOf(rows, config, inputs, options.reads)
  const kept = new RunFolder(inputs.outDir).scores(name, owner)
  const groups = microBatches(rows, tokenBudget)
  const scores = kept.read().flatMap((block, index) => unpacked(block, groups[index] ?? [], options.reads))
  if (scores.length > 0) options.onScored?.(scores.length)
  const more = await scoreRows(context, model, rows.slice(scores.length), {
    tokenBudget,
    signal,
    reads: options.reads,
    onScored: (count) => options.onScored?.(scores.length + count),
    onBatch: (batch) => kept.append(packed(batch)),
  })
  return [...scores, ...more]
}

/** All that scores and their order depend on. */
function ownerOf(
  rows: readonly TokenRow[],
  { tokensPerMicroBatch, baseWeights, precision }: ScoredWith,
  { model, startAdapter }: ScoredFor,
  { collisions = false, reference }: NonNullable<ScoreOptions["reads"]> = {},
): string {
  const ids = rows.flatMap(({ promptIds, chosenIds, rejectedIds }) => [promptIds, chosenIds, rejectedIds])
  const facts = {
    version: 1,
    lengths: sha256(new Uint8Array(Uint32Array.from(ids, ({ length }) => length).buffer)),
    ids: sha256(...ids.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength))),
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
