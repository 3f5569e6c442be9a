// Jobs as a runner does them, against a gateway of one map of blobs: a tiny model and a pack of tiny pairs, trained on and evaluated.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect, Layer } from "effect"
import { CallRefused } from "#gpu-runner/client/call-failure.ts"
import { sha256 } from "#gpu-runner/data/files.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { executeJob } from "#gpu-runner/fleet/execute-job.ts"
import { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { decodeEvaluation } from "#shared/wire/evaluation.ts"
import type { EvaluateJob, JobProgress, JobResult, JobSpec, TrainJob } from "#shared/wire/job.ts"
import type { PackPair } from "#shared/wire/pack-shard.ts"
import { writePackFolder } from "#test/gpu-runner/support/pack-folder.ts"
import type { Workspace } from "#test/gpu-runner/support/tiny-folder.ts"
import type { TinyRun } from "../trainer/tiny-run.ts"

export const CONFIG = {
  ...{ batch: 4, epochs: 6, loraRank: 4, learningRate: 5e-3, schedule: "constant" },
  ...{ precision: "f32", maxLength: 128 },
}

const unused = () => Effect.void

export class JobWorld {
  readonly blobs = new Map<string, Uint8Array>()
  /** Bytes of files of which the beginning alone is in `blobs`: none of them can be fetched whole. */
  readonly sizes = new Map<string, number>()
  /** What runners told, in order. */
  readonly progress: JobProgress[] = []
  /** Digests of what was fetched, in order. */
  readonly fetched: string[] = []
  readonly #workspace: Workspace
  readonly #tiny: TinyRun
  readonly #kept = new Map<string, string[]>()
  #jobs = 0

  constructor(workspace: Workspace, tiny: TinyRun) {
    this.#workspace = workspace
    this.#tiny = tiny
  }

  put(bytes: Uint8Array): string {
    const digest = sha256(bytes)
    this.blobs.set(digest, bytes)
    return digest
  }

  /** The files of a folder, by digest. */
  putFolder(folder: string): Record<string, string> {
    return Object.fromEntries(
      readdirSync(folder).map((name) => [name, this.put(new Uint8Array(readFileSync(path.join(folder, name))))]),
    )
  }

  /** The tiny pairs, the last of three held out, with log-probs of the base as it is held. */
  async pack(context: OpContext, reference: string, baseWeights: BaseWeights = "stored"): Promise<string> {
    const { model, rows } = this.#tiny
    const decoder = createDecoder(context, model, { positionCount: 64, baseWeights })
    const scores = await scoreRows(context, decoder, rows, { tokenBudget: 4096 })
    decoder.release()
    const pairs = rows.map(
      (row, index): PackPair => ({
        ...row,
        ...{ id: sha256(row.id), referenceLogProbs: scores[index]!, split: index % 3 === 2 ? "held-out" : "train" },
      }),
    )
    const folder = path.dirname(this.#workspace.write(`packs/${reference}/none`, ""))
    const meta = { snapshot: sha256("snapshot"), reference, tokenizer: model.tokenizerDigest }
    const manifest = writePackFolder(folder, pairs, meta, { pairsPerShard: 5 })
    this.putFolder(folder)
    return path.basename(manifest)
  }

  #api = Layer.succeed(
    RunnerApi,
    RunnerApi.of({
      ...{
        lease: () => Effect.succeed(null),
        heartbeat: unused,
        metrics: unused,
        scores: unused,
        keep: (lease, from, lines) =>
          Effect.sync(() => void this.keptOf(lease.jobId).splice(from, Number.POSITIVE_INFINITY, ...lines)),
        kept: (lease, from) =>
          Effect.sync(() =>
            this.keptOf(lease.jobId)
              .slice(from, from + 2)
              .map((line) => `${line}\n`)
              .join(""),
          ),
        complete: unused,
        fail: unused,
      },
      download: (digest, file) =>
        Effect.suspend(() => {
          this.fetched.push(digest)
          if (this.sizes.has(digest)) return new CallRefused({ status: 404, message: `${digest} is not here whole` })
          mkdirSync(path.dirname(file), { recursive: true })
          writeFileSync(file, this.blobs.get(digest)!)
          return Effect.void
        }),
      blobStart: (digest, bytes) => {
        const blob = this.blobs.get(digest)!
        return Effect.succeed({ bytes: blob.subarray(0, bytes), fileBytes: this.sizes.get(digest) ?? blob.length })
      },
      upload: (_, bytes) => Effect.sync(() => this.put(bytes)),
      uploadFile: (_, file, onArrived) =>
        Effect.sync(() => {
          const digest = this.put(new Uint8Array(readFileSync(file.path)))
          if (digest !== file.digest) throw new Error(`${file.name} has the digest ${digest}, not ${file.digest}`)
          onArrived(file.bytes)
        }),
    }),
  )

  get newestJob(): string {
    return `job-${this.#jobs - 1}`
  }

  /** What a job keeps at the gateway, in order. */
  keptOf(jobId: string): string[] {
    const lines = this.#kept.get(jobId) ?? []
    this.#kept.set(jobId, lines)
    return lines
  }

  /** Does a job as a leased one; under an id of before it is that job, leased again. */
  async execute(
    context: OpContext,
    spec: JobSpec,
    jobId = `job-${this.#jobs++}`,
    runner = "runner",
  ): Promise<JobResult> {
    const job = { jobId, fencingToken: 1, leaseMs: 1000, heartbeatMs: 250, attempt: 1, spec }
    const work: Effect.Effect<JobResult, unknown, RunnerApi> = executeJob(
      { directory: this.#workspace.at(runner), device: async () => context.gpu, keptEveryMs: 0 },
      {
        ...{ job, signal: new AbortController().signal, onMetrics: () => undefined },
        onProgress: (progress) => this.progress.push(progress),
      },
    )
    return Effect.runPromise(Effect.provide(work, this.#api))
  }

  /** What a training job over the tiny base gives. */
  async train(context: OpContext, pack: string, config: Record<string, unknown>, more: Partial<TrainJob> = {}) {
    const base = this.putFolder(this.#tiny.model.directory)
    const spec = { kind: "train", runId: "run", base, baseModel: "tiny@1", pack, config, ...more } as const
    const result = await this.execute(context, spec)
    if (result.kind !== "train") throw new Error(`a train job gave ${result.kind}`)
    return result
  }

  /** Held-out mean log-probs per token, chosen and rejected, of what was trained. */
  async evaluate(context: OpContext, pack: string, judged: Partial<EvaluateJob>) {
    const base = this.putFolder(this.#tiny.model.directory)
    const result = await this.execute(context, {
      ...{ kind: "evaluate", runId: "run", base, pack, split: "held-out", ...judged },
    })
    if (result.kind !== "evaluate") throw new Error(`an evaluate job gave ${result.kind}`)
    const { chosen, rejected } = await Effect.runPromise(decodeEvaluation(this.blobs.get(result.evaluation)!))
    const mean = (responses: typeof chosen) =>
      responses.reduce((total, { sum, count }) => total + sum / count, 0) / responses.length
    return { chosen: mean(chosen), rejected: mean(rejected) }
  }
}
