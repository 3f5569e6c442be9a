// A runner that trains nothing: it leases jobs through the same calls as a real one, reads the pack, and hands in an adapter
// whose held-out log-probs are the reference's, shifted.

import { sha256Hex } from "#shared/formats/digest.ts"
import { BUILT_IN_PROBES } from "#shared/gates/probe-texts.ts"
import { type Evaluation, encodeEvaluation } from "#shared/wire/evaluation.ts"
import { encodeScores } from "#shared/wire/handed-scores.ts"
import type { EvaluateJob, JobResult, LeasedJob, ScoreJob, TrainJob } from "#shared/wire/job.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { nearDuplicates } from "#shared/wire/near-duplicates.ts"
import { decodeManifest, readShards } from "#shared/wire/pack-manifest.ts"
import { type PackPair, shardPair } from "#shared/wire/pack-shard.ts"
import { baseFiles, orchestrator, putBlob, readBlob, valueIn } from "./world.ts"

/** Nats per token added to the reference's log-probs. NaN stands for a policy that diverged. */
export interface Shift {
  readonly chosen: number
  readonly rejected: number
}

export const LEARNED: Shift = { chosen: 0.3, rejected: -0.9 }

/** An adapter whose name tells how it shifts log-probs. */
export const makeAdapter = async (shift: Shift, salt = ""): Promise<Record<string, string>> => ({
  "adapter_config.json": await putBlob('{"peft_type":"LORA"}'),
  "adapter_model.safetensors": await putBlob(`${shift.chosen}:${shift.rejected}:${salt}`),
})

/** A whole model whose name tells it: the base's files, one of which no run reads. */
export const makeModel = async (shift: Shift, salt = ""): Promise<Record<string, string>> => ({
  ...(await baseFiles()),
  "generation_config.json": await putBlob(`${shift.chosen}:${shift.rejected}:${salt}`),
})

const shiftOf = async ({ adapter, model }: EvaluateJob): Promise<Shift> => {
  const text = new TextDecoder().decode(
    await readBlob((adapter?.["adapter_model.safetensors"] ?? model?.["generation_config.json"])!),
  )
  const [chosen, rejected] = text.split(":")
  return { chosen: Number(chosen), rejected: Number(rejected) }
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0)

/** All pairs of a pack, in its order. */
export const pairsOfPack = async (digest: string): Promise<(PackPair & { readonly weight: number })[]> => {
  const found: (PackPair & { readonly weight: number })[] = []
  for await (const shard of readShards(decodeManifest(await readBlob(digest)), (entry) => readBlob(entry.digest)))
    for (let index = 0; index < shard.pairCount; index++) found.push(shardPair(shard, index))
  return found
}

/** Answers as the base gives them; of probes, margins that change as those of pairs do. */
const behaviourOf = (
  pairs: readonly PackPair[],
  probes: NonNullable<EvaluateJob["behaviour"]>["probes"],
  { chosen, rejected }: Shift,
): Required<Pick<Evaluation, "promptScripts" | "behaviour">> => {
  const answer = { ids: [1, 2, 3, 4], text: "Yes.", isWhole: true }
  const base = { chosen: { sum: -8, count: 4 }, rejected: { sum: -8, count: 4 } }
  const finite = (by: number) => ({ sum: Number.isFinite(by) ? -8 + 4 * by : null, count: 4 })
  return {
    promptScripts: pairs.map(() => "latin" as const),
    behaviour: {
      answers: pairs.slice(0, 8).map((_, pair) => ({ pair, script: "latin", policy: answer, base: answer })),
      probes: [
        ...BUILT_IN_PROBES.map(({ name }) => ({ name, policy: [base], base: [base] })),
        ...probes.map(({ name }) => ({
          name,
          policy: [{ chosen: finite(chosen), rejected: finite(rejected) }],
          base: [base],
        })),
      ],
    },
  }
}

const evaluate = async (job: EvaluateJob): Promise<JobResult> => {
  const shift = await shiftOf(job)
  const all = await pairsOfPack(job.pack)
  const pairs = all.filter(({ split }) => split === job.split)
  const promptsOf = (some: readonly PackPair[]) => some.map(({ promptIds }) => promptIds)
  const score = (logProbs: ArrayLike<number>, by: number) => ({
    sum: sum(logProbs) + by * logProbs.length,
    count: logProbs.length,
  })
  const evaluation = await putBlob(
    encodeEvaluation({
      pairIds: pairs.map(({ id }) => id),
      chosen: pairs.map(({ referenceLogProbs }) => score(referenceLogProbs!.chosen, shift.chosen)),
      rejected: pairs.map(({ referenceLogProbs }) => score(referenceLogProbs!.rejected, shift.rejected)),
      isNearDuplicate: nearDuplicates(promptsOf(all.filter(({ split }) => split === "train")), promptsOf(pairs)),
      ...(job.behaviour === undefined ? {} : behaviourOf(pairs, job.behaviour.probes, shift)),
    }),
  )
  return { kind: "evaluate", evaluation }
}

const train = async ({ pack, config }: TrainJob, shift: Shift): Promise<JobResult> => {
  const salt = await sha256Hex(JSON.stringify([pack, config]))
  const made =
    config.loraRank === 0 ? { model: await makeModel(shift, salt) } : { adapter: await makeAdapter(shift, salt) }
  return { kind: "train", ...made, report: { steps: 2 } }
}

/** A job over a pack. */
export interface PackJob extends LeasedJob {
  readonly spec: TrainJob | EvaluateJob | ScoreJob
}

export const resultOf = async ({ spec }: PackJob, shift: Shift): Promise<JobResult> => {
  if (spec.kind === "score") return { kind: "score" }
  return spec.kind === "evaluate" ? evaluate(spec) : train(spec, shift)
}

/** Log-probs of pair `pair` of a score job: told apart by pair and token, every other pair judged wrong, and not what the stand-in for the scorer writes. */
export const scoresOf = ({ chosenIds, rejectedIds }: PackPair, pair: number) => ({
  chosen: Array.from({ length: chosenIds.length }, (_, token) => -1 - pair / 1024 - token / 16),
  rejected: Array.from({ length: rejectedIds.length }, (_, token) => (pair % 2) - 1.5 - pair / 1024 - token / 16),
})

/** Hands in log-probs of a score job from pair `from` on, `count` pairs. */
export const handIn = async ({ jobId, fencingToken, spec }: PackJob, from = 0, count = 256) => {
  const pairs = (await pairsOfPack(spec.pack)).slice(from, from + count)
  const scores = encodeScores(pairs.map((pair, index) => scoresOf(pair, from + index)))
  return orchestrator.handInScores({ jobId, fencingToken, from, scores })
}

const leaseOnce = async (runnerId: string, waitMs: number): Promise<LeasedJob | null> =>
  valueIn(await orchestrator.lease({ runnerId, waitMs, adapter: "a test" }))

const overPack = (job: LeasedJob): PackJob => {
  const { spec } = job
  if ("pack" in spec) return { ...job, spec }
  throw new Error(`a job to ${spec.kind} came, which is over no pack`)
}

export const lease = async (runnerId = "runner", waitMs = 5000): Promise<PackJob | null> => {
  const job = await leaseOnce(runnerId, waitMs)
  return job === null ? null : overPack(job)
}

/** Leases a job, waiting for one, however many calls that takes; fails when none comes. */
export const leaseAny = async (runnerId = "runner", waitMs = 10_000): Promise<LeasedJob> => {
  const endsAt = Date.now() + waitMs
  for (let leftMs = waitMs; leftMs > 0; leftMs = endsAt - Date.now()) {
    const job = await leaseOnce(runnerId, Math.min(leftMs, LIMITS.leaseWaitMs))
    if (job !== null) return job
  }
  throw new Error(`no job came within ${waitMs} ms`)
}

/** As leaseAny, a job over a pack. */
export const leaseNext = async (runnerId = "runner", waitMs = 10_000): Promise<PackJob> =>
  overPack(await leaseAny(runnerId, waitMs))

export const complete = async (job: PackJob, shift: Shift): Promise<void> => {
  const { jobId, fencingToken, spec } = job
  if (spec.kind === "score") {
    for (let from = job.scored ?? 0; from < spec.pairs; from += 256) valueIn(await handIn(job, from))
  }
  valueIn(await orchestrator.complete({ jobId, fencingToken, result: await resultOf(job, shift) }))
}

/** Leases and completes this many jobs; resolves to their ids in order. */
export const work = async (jobs: number, shift: Shift = LEARNED): Promise<string[]> => {
  const done: string[] = []
  while (done.length < jobs) {
    const job = await leaseNext()
    await complete(job, shift)
    done.push(job.jobId)
  }
  return done
}
