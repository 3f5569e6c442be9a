// One execution, one object, one alarm. Every run of the workflow happens in the alarm's event, so runs never overlap; all
// else only writes the journal and sets the alarm. An execution that has not ended always has an alarm set, so that neither
// a kill nor a lost wake leaves it standing.
import { DurableObject } from "cloudflare:workers"
import { Effect, Exit, Layer, ManagedRuntime } from "effect"
import { WorkflowEngine } from "effect/workflow"
import { Bindings, type Environment, type WorkflowRunRpc, type WorkflowStatus } from "../Environment.ts"
import type { StoredBlobs } from "../retrain/stored-blobs.ts"
import { numberSetting } from "../settings.ts"
import { type HostedWorkflow, workflows } from "../workflows.ts"
import { type DurableEngine, exitText, makeDurableEngine } from "./durable-engine.ts"
import { exitToText, Journal, ResultTooLarge } from "./Journal.ts"

/** Runs without progress before the execution is failed. A crash of the process counts as one. */
const MAX_ATTEMPTS = 8
const LONGEST_RETRY_MS = 60_000
const DEFAULT_RETRY_BASE_MS = 1000
/** A waiting execution looks again after this long, even if nobody wakes it. */
const GUARD_MS = 10 * 60_000
/** Set before a run begins, in case the process dies in it: it then goes on this long after, or after the restart. */
const CRASH_GUARD_MS = 1000

const VOID_EXIT = exitToText(Exit.succeed(null), "a clock")

const describe = (defect: unknown): string => (defect instanceof Error ? defect.message : String(defect))

export class WorkflowRun extends DurableObject<Environment> implements WorkflowRunRpc {
  readonly journal: Journal
  readonly #durable: DurableEngine
  readonly #runtime: ManagedRuntime.ManagedRuntime<WorkflowEngine.WorkflowEngine | Bindings, never>
  #isRunning = false

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env)
    this.journal = new Journal(ctx.storage.sql)
    this.#durable = makeDurableEngine(this.journal, () => this.#setAlarm(Date.now()))
    const services = Layer.mergeAll(
      Layer.succeed(WorkflowEngine.WorkflowEngine, this.#durable.engine),
      Layer.succeed(Bindings, env),
    )
    this.#runtime = ManagedRuntime.make(
      Layer.provideMerge(
        workflows.reduce<HostedWorkflow["layer"]>((all, { layer }) => Layer.merge(all, layer), Layer.empty),
        services,
      ),
    )
    // Workflows are registered before any event is let in.
    void ctx.blockConcurrencyWhile(async () => {
      await this.#runtime.context()
    })
  }

  /** Stores the execution and runs it soon. The same execution again changes nothing. */
  async start(executionId: string, workflowName: string, payload: string): Promise<{ readonly created: boolean }> {
    const created = this.journal.begin(executionId, workflowName, payload)
    await this.wake()
    return { created }
  }

  /** Completes a deferred; the first completion stays. `exit` is JSON as Schema.Exit encodes it. */
  async completeDeferred(name: string, exit: string): Promise<void> {
    await this.#runtime.runPromise(this.#durable.completeDeferred(name, exit))
  }

  /** Makes sure that an execution that has not ended will run, and that one that has is reported. False: not known here. */
  async wake(): Promise<boolean> {
    if (this.journal.execution() === undefined) return false
    this.journal.requestRun()
    await this.#rearm()
    return true
  }

  async status(): Promise<WorkflowStatus | undefined> {
    const execution = this.journal.execution()
    if (execution === undefined) return undefined
    const { status, attempts, lastError, result } = execution
    const activities = this.journal
      .activities()
      .map(({ name, starts, exit }) => ({ name, starts, isFinished: exit !== null }))
    return { status, attempts, lastError, result, activities }
  }

  override async alarm(): Promise<void> {
    // The crash guard of a long run: alarms are not known to overlap, but nothing rests on that.
    if (this.#isRunning) return this.#setAlarm(Date.now() + CRASH_GUARD_MS)
    this.#isRunning = true
    try {
      await this.#advance()
    } finally {
      this.#isRunning = false
      await this.#rearm()
    }
  }

  async #advance(): Promise<void> {
    const execution = this.journal.execution()
    if (execution === undefined) return
    if (execution.status === "running") await this.#run(execution.attempts)
    await this.#report()
  }

  async #run(attemptsBefore: number): Promise<void> {
    const now = Date.now()
    this.journal.fireClocks(now, VOID_EXIT)
    const { retryAt } = this.journal.execution()!
    if (retryAt > now) return
    if (attemptsBefore >= MAX_ATTEMPTS) return this.#giveUp()
    this.journal.beginRun()
    await this.#setAlarm(now + CRASH_GUARD_MS)
    const outcome = await this.#runtime.runPromise(this.#durable.run)
    switch (outcome._tag) {
      case "Suspended":
        return this.journal.recordSuspension()
      case "Complete":
        return
      case "Defect":
        return this.#recordDefect(outcome.defect)
    }
  }

  #recordDefect(defect: unknown): void {
    const { attempts, id } = this.journal.execution()!
    console.error(
      `run ${id}, attempt ${attempts}: ${defect instanceof Error ? (defect.stack ?? defect.message) : defect}`,
    )
    const base = numberSetting(this.env, "YOHAKU_RETRY_BASE_MS", DEFAULT_RETRY_BASE_MS, 1)
    const delayMs = Math.min(base * 2 ** Math.max(0, attempts - 1), LONGEST_RETRY_MS)
    this.journal.recordDefect(describe(defect), Date.now() + delayMs)
    if (defect instanceof ResultTooLarge) this.#giveUp()
  }

  /** Ends the execution for good: nothing of it begins any more, and nobody is told of an outcome. */
  async cancel(): Promise<boolean> {
    const execution = this.journal.execution()
    if (execution === undefined) return false
    if (execution.status === "running") this.#end(execution.workflow, new Error("the run was cancelled"))
    this.journal.recordReport()
    await this.#rearm()
    return true
  }

  async storedBlobs(): Promise<StoredBlobs> {
    const execution = this.journal.isThere() ? this.journal.execution() : undefined
    const entry = workflows.find(({ workflow }) => workflow._tag === execution?.workflow)
    const finished = entry === undefined ? [] : this.journal.activities()
    const stored = finished.flatMap(({ name, exit }) => {
      const { _tag, value } = JSON.parse(exit ?? "{}")
      return _tag === "Success" ? entry!.storedBy(name, value) : []
    })
    return { lists: stored.flatMap(({ lists }) => lists), leaves: stored.flatMap(({ leaves }) => leaves) }
  }

  /** This object has no tables afterwards: nobody calls an execution whose run ended long ago but the sweep, should it come twice. */
  async forget(): Promise<void> {
    if (!this.journal.isThere()) return
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
  }

  /** Ends the execution with the defect that kept coming back. */
  #giveUp(): void {
    const { attempts, lastError, workflow: name } = this.journal.execution()!
    const open = this.journal.activities().find(({ exit }) => exit === null)
    const where = open === undefined ? "" : ` in "${open.name}"`
    const why = lastError ?? "the process died each time"
    this.#end(name, new Error(`gave up after ${Math.max(1, attempts)} attempts${where}: ${why}`))
  }

  #end(name: string, reason: Error): void {
    const entry = workflows.find(({ workflow }) => workflow._tag === name)
    const exit = Exit.die(reason)
    const result = entry === undefined ? exitToText(exit, name) : exitText(entry.workflow, exit)
    Effect.runSync(this.#durable.finish(result))
  }

  /** Tells the read model how it ended, until it has heard. */
  async #report(): Promise<void> {
    const execution = this.journal.execution()!
    if (execution.status !== "complete" || execution.isReported || execution.result === null) return
    const entry = workflows.find(({ workflow }) => workflow._tag === execution.workflow)
    try {
      if (entry !== undefined)
        await this.#runtime.runPromise(Effect.orDie(entry.report(execution.id, JSON.parse(execution.result))))
      this.journal.recordReport()
    } catch (cause) {
      this.journal.recordDefect(
        `the outcome could not be written: ${describe(cause)}`,
        Date.now() + DEFAULT_RETRY_BASE_MS,
      )
    }
  }

  async #rearm(): Promise<void> {
    const execution = this.journal.execution()
    if (execution === undefined || execution.isReported) return this.ctx.storage.deleteAlarm()
    const now = Date.now()
    if (execution.retryAt > 0) return this.#setAlarm(Math.max(now, execution.retryAt))
    if (execution.again || execution.status === "complete") return this.#setAlarm(now)
    return this.#setAlarm(Math.min(this.journal.nextClock() ?? now + GUARD_MS, now + GUARD_MS))
  }

  #setAlarm(time: number): Promise<void> {
    return this.ctx.storage.setAlarm(time)
  }
}
