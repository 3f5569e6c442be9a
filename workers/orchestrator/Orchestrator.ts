// What the other workers may ask: runs, the runners' calls, the registry. Thin: each call goes to the object that decides.
import { WorkerEntrypoint } from "cloudflare:workers"
import { Schema } from "effect"
import { Files } from "#shared/domain/Files.ts"
import { Channel, HubSource, isWeights, type ModelKind } from "#shared/domain/Model.ts"
import type { Run } from "#shared/domain/Run.ts"
import { claimBlobs } from "#shared/wire/blob-claims.ts"
import type { OrchestratorRpc, RpcResult } from "#shared/wire/services.ts"
import { type Environment, poolOf, sweeperOf } from "./Environment.ts"
import { cancelEvaluation, getEvaluation } from "./evaluate/look.ts"
import { pinTerms, startEvaluation } from "./evaluate/start.ts"
import { takeScores } from "./pool/take-scores.ts"
import { faultOfWeights } from "./registry/check-weights.ts"
import { missingBlobs } from "./retrain/blobs.ts"
import { refuse, succeed } from "./rpc-result.ts"
import { automaticRuns } from "./runs/automatic.ts"
import { cancelRun, whyStanding } from "./runs/cancel.ts"
import { keepLooking } from "./runs/due-looks.ts"
import { findRun } from "./runs/run-rows.ts"
import { STANDING_MS, wakeRun } from "./runs/sweep.ts"
import { lookAtThreshold } from "./runs/threshold.ts"
import { triggerRun } from "./runs/trigger.ts"

type Input<M extends keyof OrchestratorRpc> = Parameters<OrchestratorRpc[M]>[0]
type Answer<M extends keyof OrchestratorRpc> = ReturnType<OrchestratorRpc[M]>

/** Of a name that has versions already their kind decides. */
const isNameOfDataset = async (db: D1Database, name: string): Promise<boolean> =>
  (await db
    .prepare(
      "SELECT 1 FROM datasets WHERE id = ?1 AND deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM models WHERE name = ?1)",
    )
    .bind(name)
    .first()) !== null

/** Of runs under way: a base of this name would be in the way of what they register. */
const isNameOfTraining = async (db: D1Database, name: string): Promise<boolean> =>
  (await db.prepare("SELECT 1 FROM runs WHERE model_name = ? AND status = 'running' LIMIT 1").bind(name).first()) !==
  null

const isChannel = Schema.is(Channel)
const isSource = Schema.is(HubSource)
const isFiles = Schema.is(Files)

/** An exception in a call means that a part did not answer: it crosses as a tagged value, like every other refusal. */
const answer = async <A>(operation: string, run: () => Promise<RpcResult<A>>): Promise<RpcResult<A>> => {
  try {
    const result = await run()
    // A new object: one that came from another call carries its disposer along, and the caller would have to call it.
    return result.ok ? succeed(result.value) : { ok: false, error: result.error }
  } catch (cause) {
    console.error(`${operation}: ${cause instanceof Error ? (cause.stack ?? cause.message) : cause}`)
    const reason = cause instanceof Error ? cause.message : String(cause)
    return refuse("Unavailable", `the orchestrator could not ${operation} now (${reason}); try again`)
  }
}

export class Orchestrator extends WorkerEntrypoint<Environment> implements OrchestratorRpc {
  trigger(input: Input<"trigger">): Answer<"trigger"> {
    return answer("start the run", () => triggerRun(this.env, input))
  }

  pairsReady(datasetId: string): Answer<"pairsReady"> {
    return answer("look at the threshold", async () => {
      const looked = await lookAtThreshold(this.env, datasetId)
      return looked.ok ? succeed({ runId: looked.value.runId }) : looked
    })
  }

  automaticRuns(datasetId: string): Answer<"automaticRuns"> {
    return answer("look at the threshold", async () => {
      const found = await automaticRuns(this.env.DB, datasetId)
      return found === undefined ? refuse("NotFound", `there is no dataset "${datasetId}"`) : succeed(found)
    })
  }

  getRun(runId: string): Answer<"getRun"> {
    return answer("read the run", async () => {
      const run = await findRun(this.env.DB, runId)
      if (run === undefined) return refuse("NotFound", `there is no run "${runId}"; list the runs`)
      if (run.status !== "running") return succeed(run)
      if (run.updatedAt < Date.now() - STANDING_MS) await wakeRun(this.env, runId)
      const progress = await poolOf(this.env).progress(runId)
      const standing = await whyStanding(this.env, runId)
      return succeed<Run>({ ...run, ...(progress === null ? {} : { progress }), ...standing })
    })
  }

  cancelRun(runId: string): Answer<"cancelRun"> {
    return answer("cancel the run", () => cancelRun(this.env, runId))
  }

  evaluate(input: Input<"evaluate">): Answer<"evaluate"> {
    return answer("start the evaluation", () => startEvaluation(this.env, input))
  }

  getEvaluation(input: Input<"getEvaluation">): Answer<"getEvaluation"> {
    return answer("read the evaluation", () => getEvaluation(this.env, input))
  }

  cancelEvaluation(input: Input<"cancelEvaluation">): Answer<"cancelEvaluation"> {
    return answer("cancel the evaluation", () => cancelEvaluation(this.env, input))
  }

  checkEvaluation(input: Input<"checkEvaluation">): Answer<"checkEvaluation"> {
    return answer("look at the evaluation", async () => {
      const terms = await pinTerms(this.env, input)
      return terms.ok ? succeed(null) : terms
    })
  }

  sweep({ isUrgent }: Input<"sweep">): Answer<"sweep"> {
    return answer("sweep", async () => {
      await sweeperOf(this.env).wake(isUrgent)
      await keepLooking(this.env)
      return succeed(null)
    })
  }

  lease(input: Input<"lease">): Answer<"lease"> {
    return answer("lease a job", () => poolOf(this.env).lease(input))
  }

  heartbeat(input: Input<"heartbeat">): Answer<"heartbeat"> {
    return answer("take the heartbeat", () => poolOf(this.env).heartbeat(input))
  }

  metrics(input: Input<"metrics">): Answer<"metrics"> {
    return answer("store the metrics", () => poolOf(this.env).metrics(input))
  }

  handInScores(input: Input<"handInScores">): Answer<"handInScores"> {
    return answer("store the log-probs", () => takeScores(this.env, input))
  }

  keep(input: Input<"keep">): Answer<"keep"> {
    return answer("keep the lines", () => poolOf(this.env).keep(input))
  }

  kept(input: Input<"kept">): Answer<"kept"> {
    return answer("read what is kept", () => poolOf(this.env).kept(input))
  }

  checkLease(input: Input<"checkLease">): Answer<"checkLease"> {
    return answer("check the lease", () => poolOf(this.env).checkLease(input))
  }

  complete(input: Input<"complete">): Answer<"complete"> {
    return answer("complete the job", () => poolOf(this.env).complete(input))
  }

  fail(input: Input<"fail">): Answer<"fail"> {
    return answer("fail the job", () => poolOf(this.env).fail(input))
  }

  runMetrics(runId: string): Answer<"runMetrics"> {
    return answer("read the metrics", async () => {
      if ((await findRun(this.env.DB, runId)) === undefined)
        return refuse("NotFound", `there is no run "${runId}"; list the runs`)
      return poolOf(this.env).runMetrics(runId)
    })
  }

  async #nameFor(name: string, kind: ModelKind): Promise<RpcResult<null>> {
    if (await isNameOfDataset(this.env.DB, name))
      return refuse(
        "Conflict",
        `"${name}" is the id of a dataset, under which what its runs train is registered; choose another name`,
      )
    if (kind === "base" && (await isNameOfTraining(this.env.DB, name)))
      return refuse(
        "Conflict",
        `a run is under way that registers what it trains as "${name}"; choose another name, or cancel the run`,
      )
    return this.env.REGISTRY.getByName(name).mayBe(name, kind)
  }

  checkModelName({ name, kind }: Input<"checkModelName">): Answer<"checkModelName"> {
    return answer("check the model's name", () => this.#nameFor(name, kind))
  }

  registerModel({ name, kind, files, source }: Input<"registerModel">): Answer<"registerModel"> {
    return answer("register the model", async () => {
      if (!isFiles(files) || Object.keys(files).length === 0)
        return refuse("Invalid", "files maps at least one file name to the digest of an uploaded blob")
      if (source !== undefined && !isSource(source))
        return refuse("Invalid", "source names owner/name on a hub, and a commit of 40 hexadecimal digits")
      const named = await this.#nameFor(name, kind)
      if (!named.ok) return named
      const needed = Object.entries(files).filter(([file]) => source === undefined || !isWeights(file))
      if (!(await claimBlobs(this.env.DB, Object.values(files), { nowMs: Date.now() })))
        return refuse("Unavailable", "a file of it is being deleted, because nothing referred to it; send it again")
      const missing = await missingBlobs(
        this.env.BLOBS,
        needed.map(([, digest]) => digest),
      )
      if (missing.length > 0) return refuse("Invalid", `blob ${missing[0]} was not uploaded; upload it first`)
      const fault = await faultOfWeights(this.env.BLOBS, files, { source })
      if (fault !== undefined) return refuse("Invalid", fault)
      const usable = await this.env.SCORER.checkReference({ files })
      if (!usable.ok) return { ok: false, error: usable.error }
      return this.env.REGISTRY.getByName(name).register({
        ...{ name, kind, files, metrics: {} },
        ...(source === undefined ? {} : { source }),
      })
    })
  }

  checkReference(input: Input<"checkReference">): Answer<"checkReference"> {
    return answer("try the reference model", () => this.env.SCORER.checkReference(input))
  }

  moveChannel({ name, channel, version, operation }: Input<"moveChannel">): Answer<"moveChannel"> {
    return answer("move the channel", async () =>
      isChannel(channel)
        ? this.env.REGISTRY.getByName(name).move(name, { channel, version, ...(operation && { operation }) })
        : refuse("Invalid", `"${channel}" is no channel; use candidate or production`),
    )
  }

  rollback({ name, operation }: Input<"rollback">): Answer<"rollback"> {
    return answer("roll back", () => this.env.REGISTRY.getByName(name).rollback(name, operation))
  }

  channels(name: string): Answer<"channels"> {
    return answer("read the channels", async () => succeed(await this.env.REGISTRY.getByName(name).channels(name)))
  }
}
