// What a runner hands in of a score job: held to the job's sheet, then written to KV under the same keys and in the same form as the edge's
// records. All of a call is checked before the first is written; one that comes again, or from a runner whose lease is gone, changes nothing.
import { Effect } from "effect"
import { openBlob } from "#shared/wire/blobs.ts"
import { checkScores, decodeScores, type HandedScores, InvalidScores } from "#shared/wire/handed-scores.ts"
import type { ScoreJob } from "#shared/wire/job.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { encodeRecord, recordKey } from "#shared/wire/reference-record.ts"
import { decodeSheet, type SheetEntry, sheetRange } from "#shared/wire/score-sheet.ts"
import type { OrchestratorRpc, RpcResult } from "#shared/wire/services.ts"
import { type Environment, poolOf } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"

type Input = Parameters<OrchestratorRpc["handInScores"]>[0]

const readEntries = async (bucket: R2Bucket, job: ScoreJob, from: number, pairs: number): Promise<SheetEntry[]> => {
  const count = Math.min(pairs, job.pairs - from)
  const object = await openBlob(bucket, job.sheet, sheetRange(from, count))
  if (object === undefined) throw new Error(`the sheet ${job.sheet} of the job is gone`)
  return decodeSheet(new Uint8Array(await object.arrayBuffer()))
}

/** Writes the records that are asked for; each is of its response alone, so that a half of them is a half of the work and no fault. */
const writeRecords = (
  kv: KVNamespace,
  { reference }: ScoreJob,
  pairs: readonly HandedScores[],
  entries: readonly SheetEntry[],
): Promise<void> => {
  const wanted = entries.flatMap(({ chosen, rejected }, index) =>
    [
      { ...chosen, logProbs: pairs[index]!.chosen },
      { ...rejected, logProbs: pairs[index]!.rejected },
    ].filter(({ isWanted }) => isWanted),
  )
  const write = ({ digest, logProbs }: (typeof wanted)[number]) =>
    Effect.promise(() => {
      const { value, metadata } = encodeRecord(Float32Array.from(logProbs), "webgpu")
      return kv.put(recordKey(reference, digest), value, { metadata })
    })
  return Effect.runPromise(Effect.forEach(wanted, write, { concurrency: LIMITS.concurrentCalls, discard: true }))
}

/** The pairs of a call with the entries that they were held to, or why they are refused. */
const readCall = async (
  env: Environment,
  job: ScoreJob,
  { from, scores }: Input,
): Promise<RpcResult<{ readonly pairs: readonly HandedScores[]; readonly entries: readonly SheetEntry[] }>> => {
  try {
    const pairs = decodeScores(scores)
    const entries = await readEntries(env.BLOBS, job, from, pairs.length)
    checkScores(pairs, entries, from)
    return succeed({ pairs, entries })
  } catch (cause) {
    if (cause instanceof InvalidScores) return refuse("Invalid", cause.message)
    throw cause
  }
}

export const takeScores = async (env: Environment, input: Input): Promise<RpcResult<{ readonly scored: number }>> => {
  const { jobId, fencingToken, from } = input
  const pool = poolOf(env)
  const held = await pool.held({ jobId, fencingToken })
  if (!held.ok) return { ok: false, error: held.error }
  const { spec, scored } = held.value
  if (spec.kind !== "score") return refuse("Invalid", `job "${jobId}" is to ${spec.kind}; it takes no log-probs`)
  if (!Number.isSafeInteger(from) || from < 0 || from > scored)
    return refuse(
      "Invalid",
      `the log-probs of ${scored} pairs are stored, and these begin with pair ${from}; go on behind them`,
    )
  if (from >= spec.pairs)
    return refuse(
      "Invalid",
      `the log-probs of all ${spec.pairs} pairs are stored, and these begin behind the last; complete the job`,
    )
  const read = await readCall(env, spec, input)
  if (!read.ok) return read
  const { pairs, entries } = read.value
  if (from + pairs.length > scored) await writeRecords(env.REFERENCES, spec, pairs, entries)
  // Asked again: a lease that went meanwhile may not move what its successor goes on from. Its records are as good as any.
  const noted = await pool.held({ jobId, fencingToken, scored: from + pairs.length })
  return noted.ok ? succeed({ scored: noted.value.scored }) : { ok: false, error: noted.error }
}
