// Score jobs on the device: a pack's log-probs by the code of `yohaku score`, handed in to a gateway in the pack's order.
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { Effect, Exit } from "effect"
import { HttpResponse, http } from "msw"
import { afterAll, expect } from "vitest"
import { sha256 } from "#gpu-runner/data/files.ts"
import { fingerprintOf } from "#gpu-runner/data/model/base-fingerprint.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { executeJob } from "#gpu-runner/fleet/execute-job.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import type { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import { type PackScoring, scorePack } from "#gpu-runner/trainer/results/score-pack.ts"
import { scoreGroups } from "#gpu-runner/trainer/results/scorer.ts"
import type { RowScores } from "#gpu-runner/trainer/step/score-rows.ts"
import { computedWith, type ReferencePrecision } from "#shared/formats/weights/reference-precision.ts"
import { decodeScores, type HandedScores } from "#shared/wire/handed-scores.ts"
import type { JobResult, ScoreJob } from "#shared/wire/job.ts"
import { GATEWAY, leasedJob, problem, standIn, TOKEN } from "#test/gpu-runner/fleet/gateway-stand-in.ts"
import { writePackFolder } from "#test/gpu-runner/support/pack-folder.ts"
import { createWorkspace, TINY_FIELDS, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { smallFields } from "#test/reference/random-decoder.ts"
import { softwareTest } from "../lanes.ts"
import { tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const { model, rows } = await tinyRun(
  workspace,
  12,
  writeTinyModel(workspace, "qwen2", 1, smallFields("qwen2", TINY_FIELDS)),
)
const meta = { snapshot: sha256("snapshot"), reference: "", tokenizer: model.tokenizerDigest }
/** One of them without weight, which training would leave out. */
const pairs = rows
  .map((row, index) => ({ ...row, id: sha256(row.id), weight: index === 4 ? 0 : 1, split: "train" as const }))
  .toSorted((a, b) => (a.id < b.id ? -1 : 1))
const pack = writePackFolder(path.dirname(workspace.write("packs/none", "")), pairs, meta)

const collected = async (
  groups: AsyncIterable<{ readonly rows: readonly TokenRow[]; readonly scores: readonly RowScores[] }>,
) => {
  const found: (readonly [string, readonly number[], readonly number[]])[] = []
  for await (const { rows, scores } of groups)
    rows.forEach(({ id }, index) => {
      const { chosen, rejected } = scores[index]!
      found.push([id, Array.from(chosen), Array.from(rejected)])
    })
  return found
}

softwareTest(
  "a pack's log-probs are those of yohaku score, of every pair and in its order, from any pair on",
  async ({ gpu }) => {
    const scoring = async (precision: ReferencePrecision, from: number): Promise<PackScoring> => ({
      ...{ gpu, modelDir: model.directory, pack, from, precision, reference: await fingerprintOf(model, precision) },
    })
    for (const precision of ["stored", "nf4"] as const) {
      const all = await collected(scorePack(await scoring(precision, 0)))
      const held = { model, adapter: undefined, ...computedWith(precision) }
      expect(all, precision).toEqual(await collected(scoreGroups(gpu, held, pairs)))
      const behind = await collected(scorePack(await scoring(precision, 9)))
      expect(behind.map(([id]) => id)).toEqual(all.slice(9).map(([id]) => id))
      behind.forEach(([, chosen], index) => {
        const whole = all[9 + index]![1]
        for (const [token, value] of chosen.entries()) expect(Math.abs(value - whole[token]!)).toBeLessThan(1e-5)
      })
      expect(await collected(scorePack(await scoring(precision, pairs.length)))).toEqual([])
    }
  },
)

const files = Object.fromEntries(
  readdirSync(model.directory).map((name) => [name, sha256(readFileSync(path.join(model.directory, name)))]),
)
const blobs = new Map(
  [model.directory, path.dirname(pack)].flatMap((folder) =>
    readdirSync(folder).map((name) => {
      const bytes = readFileSync(path.join(folder, name))
      return [sha256(bytes), bytes] as const
    }),
  ),
)

interface Call {
  readonly from: number
  readonly pairs: readonly HandedScores[]
}

/** Does the score job over HTTP; `answer` may refuse a call. */
const work = async (
  gpu: Parameters<typeof scoreGroups>[0],
  { scored, ...changes }: Partial<ScoreJob> & { readonly scored?: number } = {},
  answer: () => Response = () => HttpResponse.json({ scored: 0 }),
) => {
  const asked = { pack: path.basename(pack), pairs: pairs.length, sheet: sha256("sheet"), reference: model.fingerprint }
  const spec: ScoreJob = { kind: "score", runId: "run-1", base: files, precision: "stored", ...asked, ...changes }
  const job = leasedJob({ spec, ...(scored === undefined ? {} : { scored }) })
  const { server } = standIn(job)
  const calls: Call[] = []
  server.use(
    http.get(`${GATEWAY}/v1/blobs/:digest`, ({ params }) => {
      const bytes = blobs.get(String(params.digest))
      return bytes === undefined ? problem("not-found", 404, "no such blob") : new HttpResponse(new Uint8Array(bytes))
    }),
    http.post(`${GATEWAY}/v1/runner/jobs/:jobId/scores`, async ({ request }) => {
      const from = Number(new URL(request.url).searchParams.get("from"))
      calls.push({ from, pairs: decodeScores(new Uint8Array(await request.arrayBuffer())) })
      return answer()
    }),
  )
  server.listen({ onUnhandledFrame: "error" })
  const progress: number[] = []
  const context = {
    ...{ job, signal: new AbortController().signal, onMetrics: () => undefined },
    onProgress: ({ step }: { readonly step: number }) => progress.push(step),
  }
  const executor = { directory: workspace.at("runner"), device: async () => gpu }
  const done: Effect.Effect<JobResult, unknown, RunnerApi> = executeJob(executor, context)
  const exit = await Effect.runPromiseExit(Effect.provide(done, layerHttp({ url: GATEWAY, token: TOKEN })))
  server.close()
  return { exit, calls, progress }
}

softwareTest(
  "a score job hands in every pair in the pack's order, and goes on behind those that are stored",
  async ({ gpu }) => {
    const whole = await work(gpu)
    expect(whole.exit).toEqual(Exit.succeed({ kind: "score" }))
    expect(whole.calls.map(({ from, pairs }) => [from, pairs.length])).toEqual([[0, 12]])
    expect(whole.progress.at(-1)).toBe(12)
    const counts = (some: readonly HandedScores[]) =>
      some.map(({ chosen, rejected }) => [chosen.length, rejected.length])
    expect(counts(whole.calls[0]!.pairs)).toEqual(
      pairs.map(({ chosenIds, rejectedIds }) => [chosenIds.length, rejectedIds.length]),
    )
    const rest = await work(gpu, { scored: 9 })
    expect(rest.calls.map(({ from, pairs }) => [from, pairs.length])).toEqual([[9, 3]])
    const done = await work(gpu, { scored: 12 })
    expect([done.exit, done.calls]).toEqual([Exit.succeed({ kind: "score" }), []])
  },
)

softwareTest(
  "a score job ends where its log-probs are refused, its lease is lost, or its reference is another model's",
  async ({ gpu }) => {
    const failure = ({ exit }: Awaited<ReturnType<typeof work>>) =>
      Exit.isFailure(exit) ? Exit.findErrorOption(exit) : undefined
    const refused = await work(gpu, {}, () => problem("unusable-request", 422, "token 2 has the log-prob NaN"))
    expect(failure(refused)).toMatchObject({ value: { _tag: "CallRefused", message: "token 2 has the log-prob NaN" } })
    const stale = await work(gpu, {}, () => problem("stale-lease", 409, "leased again"))
    expect(failure(stale)).toMatchObject({ value: { _tag: "LeaseLost" } })
    const other = await work(gpu, { precision: "nf4" })
    expect(failure(other)).toMatchObject({
      value: { _tag: "JobFailed", retryable: false, message: expect.stringMatching(/^the job asks for reference /) },
    })
    expect(other.calls).toEqual([])
  },
)
