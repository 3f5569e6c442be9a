// The runner pool: jobs, leases, fencing. One object for all runners. A lease lives by heartbeats and ends by the alarm; a
// write under an older token is refused. How a job ended is told to its workflow until that has it. Its alarm also sweeps for
// executions that stand still, so that even a lost alarm of a run is made good. Over 300 lines: one object, whose decisions are one turn each.
import { DurableObject } from "cloudflare:workers"
import { type ResolvedRunLimits, tooManySteps } from "#shared/domain/RunLimits.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import type { JobProgress, JobSpec, LeasedJob } from "#shared/wire/job.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import type { OrchestratorRpc, RpcResult } from "#shared/wire/services.ts"
import { jobFinished, jobsEnded } from "#shared/workflows/retrain.ts"
import type { AskedSheets, Environment, HeldJob, RunnerPoolRpc } from "../Environment.ts"
import { sweepEvaluations } from "../evaluate/evaluation-rows.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { sweepAutomatic, sweepRuns } from "../runs/sweep.ts"
import { numberSetting } from "../settings.ts"
import { Declined } from "./Declined.ts"
import { Followers } from "./Followers.ts"
import { type Job, JobStore } from "./JobStore.ts"
import { exitOf, NOTHING_MORE } from "./job-exit.ts"
import { faultOfResult } from "./job-result.ts"
import { faultOfKept, KeptLines } from "./KeptLines.ts"
import { RunClock } from "./RunClock.ts"
import { ScoredPairs } from "./ScoredPairs.ts"
import { ScoreSheets } from "./ScoreSheets.ts"
import { standingBehind, standingOf, standingRefused } from "./standing.ts"
import { boundedWaitMs, WaitingLine } from "./WaitingLine.ts"

const DEFAULT_LEASE_MS = 60_000
const HEARTBEATS_PER_LEASE = 4
/** A hub that is away for a while is waited for, and so is somebody who starts a larger runner. */
const DEFAULT_DECLINED_MS = 15 * 60_000
const RETELL_MS = 2000
const SWEEP_MS = 60_000
const MAX_METRICS_LINE_CHARACTERS = 64 * 1024
const MAX_METRICS_LINES = 1000
const MAX_REASON_CHARACTERS = 4000

type Input<M extends keyof OrchestratorRpc> = Parameters<OrchestratorRpc[M]>[0]

const isStep = (step: number): boolean => Number.isSafeInteger(step) && step >= 0 && step <= LIMITS.lastStep

export class RunnerPool extends DurableObject<Environment> implements RunnerPoolRpc {
  readonly #jobs: JobStore
  readonly #scored: ScoredPairs
  readonly #kept: KeptLines
  readonly #sheets: ScoreSheets
  readonly #followers: Followers
  readonly #declined: Declined
  readonly #line = new WaitingLine()
  readonly #clock: RunClock
  /** Whether somebody asked for the sweep since the one under way began. */
  #isAsked = false

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env)
    this.#jobs = new JobStore(ctx.storage.sql)
    this.#scored = new ScoredPairs(ctx.storage.sql)
    this.#kept = new KeptLines(ctx.storage.sql)
    this.#sheets = new ScoreSheets(ctx.storage.sql)
    this.#followers = new Followers(ctx.storage.sql)
    const patienceMs = () => numberSetting(env, "YOHAKU_DECLINED_MS", DEFAULT_DECLINED_MS, 1)
    this.#declined = new Declined(ctx.storage.sql, patienceMs)
    this.#clock = new RunClock(ctx.storage.sql)
  }

  get #leaseMs(): number {
    return numberSetting(this.env, "YOHAKU_LEASE_MS", DEFAULT_LEASE_MS, 1)
  }

  async post(
    runId: string,
    name: string,
    spec: JobSpec,
    limits?: ResolvedRunLimits,
    last = Number.POSITIVE_INFINITY,
  ): Promise<boolean> {
    const isNew = this.#jobs.find(`${runId}-${name}`) === undefined
    if (isNew && spec.kind === "score" && this.#sheets.lastOfOthers(runId, spec.reference) > last) return false
    if (limits !== undefined) this.#clock.begin(runId, limits)
    this.#jobs.add(runId, name, spec)
    if (isNew && spec.kind === "score") this.#declined.takeOver({ id: `${runId}-${name}`, runId }, Date.now())
    this.#line.wakeAll()
    await this.#rearm()
    return true
  }

  async askedSheets(
    runId: string,
    reference: string,
    settleMs: number,
    names: readonly string[],
  ): Promise<AskedSheets> {
    this.#expire(Date.now())
    const own = names.map((name) => `${runId}-${name}`)
    return {
      sheets: this.#sheets.of(reference, Date.now() - settleMs, own),
      last: this.#sheets.lastOfOthers(runId, reference),
    }
  }

  async follow(runId: string, name: string, jobIds: readonly string[]): Promise<void> {
    this.#followers.add({ runId, name }, jobIds, Date.now())
    await this.#tell()
  }

  async lease({ runnerId, waitMs, adapter }: Input<"lease">): Promise<RpcResult<LeasedJob | null>> {
    const deadline = Date.now() + boundedWaitMs(waitMs)
    this.#line.replace(runnerId)
    for (;;) {
      const leased = this.#takeJob(runnerId, adapter)
      // Also without a job: looking may have parked one, of which its workflow has to hear.
      await this.#rearm()
      const remainingMs = deadline - Date.now()
      if (leased !== undefined || remainingMs <= 0) return succeed(leased ?? null)
      const outcome = await this.#line.wait(runnerId, remainingMs)
      if (outcome === "replaced") return succeed(null)
    }
  }

  /** The next job under a new token; jobs whose attempts are used up are parked on the way. */
  #takeJob(runnerId: string, adapter: string): LeasedJob | undefined {
    const now = Date.now()
    this.#expire(now)
    const next = () => this.#jobs.nextFor(runnerId, now, this.#declined.by(runnerId, now))
    for (let job = next(); job !== undefined; job = next()) {
      const leased = this.#jobs.lease(job, { id: runnerId, adapter }, now + this.#leaseMs)
      if (leased === undefined) continue
      this.#clock.start(leased.runId)
      return this.#describe(leased)
    }
    return undefined
  }

  /** Takes back leases that are over, and ends the jobs of runs whose time is, and those that no runner could do for a while. */
  #expire(now: number): void {
    this.#jobs.expire(now)
    for (const { runId, reason } of this.#clock.over(now)) this.#jobs.failRun(runId, reason)
    for (const { jobId, reason } of this.#declined.over(now))
      this.#jobs.fail(jobId, reason.slice(0, MAX_REASON_CHARACTERS))
  }

  #describe({ id, runId, fencingToken, attempts, spec }: Job): LeasedJob {
    const leaseMs = this.#leaseMs
    const heartbeatMs = Math.max(1, Math.floor(leaseMs / HEARTBEATS_PER_LEASE))
    const endsAt = this.#clock.find(runId)?.endsAt
    const bound = endsAt === undefined ? {} : { remainingMs: Math.max(0, endsAt - Date.now()) }
    const scored = spec.kind === "score" ? { scored: this.#scored.of(id) } : {}
    return { jobId: id, fencingToken, leaseMs, heartbeatMs, attempt: attempts, ...bound, ...scored, spec }
  }

  /** The job, if this token holds its lease now. */
  #holding({ jobId, fencingToken }: Input<"checkLease">): RpcResult<Job> {
    this.#expire(Date.now())
    const job = this.#jobs.find(jobId)
    if (job === undefined) return refuse("NotFound", `there is no job "${jobId}"; lease one`)
    if (job.status === "leased" && job.fencingToken === fencingToken) return succeed(job)
    const now =
      job.status === "leased"
        ? `runner "${job.runnerId}" holds it under token ${job.fencingToken}`
        : `it is ${job.status}`
    return refuse(
      "StaleLease",
      `token ${fencingToken} no longer holds job "${jobId}": ${now}; drop the work and lease again`,
    )
  }

  async heartbeat({ progress, ...lease }: Input<"heartbeat">): Promise<RpcResult<{ readonly leaseExpiresAt: number }>> {
    this.#refuseSteps(lease, progress)
    const held = this.#holding(lease)
    const leaseExpiresAt = Date.now() + this.#leaseMs
    if (held.ok) this.#jobs.extend(lease.jobId, leaseExpiresAt, progress)
    await this.#rearm()
    return held.ok ? succeed({ leaseExpiresAt }) : held
  }

  /** Ends a job whose runner does more steps than its run may take. */
  #refuseSteps(lease: Input<"checkLease">, progress: JobProgress | undefined): void {
    const held = this.#holding(lease)
    if (!held.ok || held.value.spec.kind !== "train" || progress === undefined) return
    const most = this.#clock.find(held.value.runId)?.steps ?? Number.POSITIVE_INFINITY
    const steps = Math.max(progress.steps, progress.step)
    if (steps > most) this.#jobs.fail(lease.jobId, tooManySteps(steps, most))
  }

  async metrics({ fromStep, lines, ...lease }: Input<"metrics">): Promise<RpcResult<null>> {
    const held = this.#holding(lease)
    if (!held.ok) return held
    if (!isStep(fromStep) || lines.length > MAX_METRICS_LINES)
      return refuse("Invalid", `send at most ${MAX_METRICS_LINES} lines from a step of 0 to ${LIMITS.lastStep}`)
    if (lines.some((line) => line.length > MAX_METRICS_LINE_CHARACTERS))
      return refuse(
        "Invalid",
        `a metrics line has more than ${MAX_METRICS_LINE_CHARACTERS} characters; send numbers only`,
      )
    this.#jobs.addMetrics(held.value, fromStep, lines)
    return succeed(null)
  }

  async keep({ from, lines, ...lease }: Input<"keep">): Promise<RpcResult<{ readonly kept: number }>> {
    const held = this.#holding(lease)
    if (!held.ok) return held
    const fault = faultOfKept(this.#kept.of(lease.jobId), from, lines)
    return fault === undefined ? succeed({ kept: this.#kept.add(held.value, from, lines) }) : refuse("Invalid", fault)
  }

  async kept({ from, ...lease }: Input<"kept">): Promise<RpcResult<readonly string[]>> {
    const held = this.#holding(lease)
    return held.ok ? succeed(this.#kept.read(lease.jobId, from, LIMITS.jsonBodyBytes)) : held
  }

  async checkLease(lease: Input<"checkLease">): Promise<RpcResult<null>> {
    const held = this.#holding(lease)
    return held.ok ? succeed(null) : held
  }

  async held({ scored = 0, ...lease }: Parameters<RunnerPoolRpc["held"]>[0]): Promise<RpcResult<HeldJob>> {
    const held = this.#holding(lease)
    if (!held.ok) return held
    if (scored > 0) this.#scored.note(held.value, scored)
    return succeed({ spec: held.value.spec, scored: this.#scored.of(lease.jobId) })
  }

  async complete({ result, ...lease }: Input<"complete">): Promise<RpcResult<null>> {
    if (this.#hasEnded(lease, "done")) return this.#isResult(lease.jobId, result)
    const before = this.#holding(lease)
    if (!before.ok) return before
    const fault = await faultOfResult(this.env.BLOBS, before.value.spec, this.#scored.of(lease.jobId), result)
    if (fault !== undefined) return refuse("Invalid", fault)
    // Asked again: the lease may have gone while the blobs were looked up.
    const held = this.#holding(lease)
    if (!held.ok) return held
    this.#jobs.finish(lease.jobId, JSON.stringify(result))
    this.#kept.forgetJob(lease.jobId)
    await this.#tell()
    return succeed(null)
  }

  async fail({ error, retryable, isBeyondRunner, ...lease }: Input<"fail">): Promise<RpcResult<null>> {
    if (this.#hasEnded(lease, "failed")) return succeed(null)
    const held = this.#holding(lease)
    if (!held.ok) return held
    const reason = error.slice(0, MAX_REASON_CHARACTERS)
    if (isBeyondRunner === true) this.#handOn(held.value, reason)
    else if (retryable) this.#jobs.retry(held.value, reason)
    else this.#jobs.fail(lease.jobId, reason)
    await this.#tell()
    return succeed(null)
  }

  /** Gives a job to others that is beyond the runner which holds it. */
  #handOn(held: Job, reason: string): void {
    const now = Date.now()
    const job = this.#jobs.handBack(held, reason, this.#declined.wasWorkedOn(held, now))
    this.#declined.note({ job, runnerId: held.runnerId!, reason }, now)
    this.#clock.unstart(job.runId)
    this.#line.wakeAll()
  }

  /** Whether a job that is done was done with this. */
  #isResult(jobId: string, result: unknown): RpcResult<null> {
    const stored = this.#jobs.find(jobId)?.result
    return stored !== undefined && stored !== null && canonicalJson(JSON.parse(stored)) === canonicalJson(result)
      ? succeed(null)
      : refuse("Invalid", `job "${jobId}" is done with another result; the first one stays`)
  }

  /** A repeated last call, whose first answer was lost. */
  #hasEnded({ jobId, fencingToken }: Input<"checkLease">, as: Job["status"]): boolean {
    const job = this.#jobs.find(jobId)
    return job?.status === as && job.fencingToken === fencingToken
  }

  async runMetrics(runId: string): Promise<RpcResult<readonly string[]>> {
    return succeed(this.#jobs.metrics(runId))
  }

  async progress(runId: string): Promise<JobProgress | null> {
    return this.#jobs.progress(runId)
  }

  async standing(runId: string): Promise<string | null> {
    const queued = this.#jobs.queuedJob(runId)
    if (queued === undefined) return standingBehind(this.#followers.followedBy(runId))
    const refusals = this.#declined.of(queued.job.id)
    return refusals === undefined ? standingOf(queued) : standingRefused(queued.job.name, refusals)
  }

  async cancel(runId: string): Promise<void> {
    await this.#end(runId, "the run was cancelled")
  }

  async ended(runId: string): Promise<void> {
    await this.#end(runId, "the run is over")
  }

  async #end(runId: string, why: string): Promise<void> {
    this.#jobs.endRun(runId, why)
    this.#followers.forget(runId)
    // Nothing is waited for before the jobs of newer runs.
    this.#line.wakeAll()
    // Other runs may wait for its jobs.
    await this.#tell()
  }

  async keepSweeping(at = Number.POSITIVE_INFINITY): Promise<void> {
    this.#isAsked = true
    const sweepAt = (await this.ctx.storage.get<number>("sweepAt")) ?? Date.now() + SWEEP_MS
    await this.ctx.storage.put("sweepAt", Math.min(sweepAt, at))
    await this.#rearm()
  }

  async forgetJobs(runId: string): Promise<void> {
    this.#jobs.forget(runId)
    this.#clock.forget(runId)
    this.#scored.forget(runId)
    this.#kept.forget(runId)
    this.#followers.forget(runId)
    this.#declined.forget(runId)
  }

  async forgetMetrics(runId: string): Promise<boolean> {
    return this.#jobs.forgetMetrics(runId)
  }

  override async alarm(): Promise<void> {
    this.#expire(Date.now())
    try {
      await this.#sweep()
    } finally {
      await this.#tell()
      this.#line.wakeAll()
    }
  }

  async #sweep(): Promise<void> {
    const sweepAt = await this.ctx.storage.get<number>("sweepAt")
    if (sweepAt === undefined || sweepAt > Date.now()) return
    this.#isAsked = false
    await this.ctx.storage.put("sweepAt", Date.now() + SWEEP_MS)
    const nextLook = await sweepAutomatic(this.env)
    const running = (await sweepRuns(this.env)) + (await sweepEvaluations(this.env))
    const isOver = nextLook === Number.POSITIVE_INFINITY && running === 0
    // Who asked meanwhile may have come after what was looked at.
    if (isOver && !this.#isAsked) await this.ctx.storage.delete("sweepAt")
    else await this.keepSweeping(nextLook)
  }

  /** Tells the workflows of ended jobs, their own and those that they wait for; whom it cannot reach, the alarm tries again. */
  async #tell(): Promise<void> {
    for (const follower of this.#followers.freed()) {
      const { runId, name } = follower
      try {
        await this.env.WORKFLOW_RUN.getByName(runId).completeDeferred(jobsEnded(name).name, NOTHING_MORE)
        this.#declined.passOn(follower)
        this.#followers.remove(follower)
      } catch (cause) {
        console.warn(`run ${runId} could not be told that the jobs of others ended: ${cause}`)
      }
    }
    for (const job of this.#jobs.untold()) {
      try {
        await this.env.WORKFLOW_RUN.getByName(job.runId).completeDeferred(jobFinished(job.name).name, exitOf(job))
        this.#jobs.recordTold(job.id)
      } catch (cause) {
        console.warn(`run ${job.runId} could not be told of job "${job.name}": ${cause}`)
      }
    }
    await this.#rearm()
  }

  async #rearm(): Promise<void> {
    const sweepAt = await this.ctx.storage.get<number>("sweepAt")
    const ownTimes = [this.#jobs.nextEventAt(), this.#clock.nextEnd(), this.#declined.nextEventAt(Date.now())]
    const times = [...ownTimes, sweepAt].filter((time) => time !== undefined)
    if (this.#jobs.untold().length > 0 || this.#followers.freed().length > 0) {
      // Never later than it was to be: runners that ask in between would put it off for ever.
      const setFor = (await this.ctx.storage.getAlarm()) ?? Number.POSITIVE_INFINITY
      times.push(Math.min(setFor, Date.now() + RETELL_MS))
    }
    if (times.length > 0) await this.ctx.storage.setAlarm(Math.max(Date.now(), Math.min(...times)))
  }
}
