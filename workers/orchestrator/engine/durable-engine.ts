// A WorkflowEngine over one execution's journal. It replays: a run starts from the top, finished activities answer from the
// journal, and a run that meets an open deferred suspends. The object around it decides when to run (WorkflowRun.ts).
// Not offered, because nothing here needs them and each would be a defect with a clear name: child workflows, interruption.
import { Cause, Clock, Deferred, Duration, Effect, Exit, Fiber, Option, Schema, type Scope } from "effect"
import { type Activity, Workflow, WorkflowEngine } from "effect/workflow"
import { exitToText, type Journal, MAX_RESULT_CHARACTERS, ResultTooLarge } from "./Journal.ts"

const { WorkflowInstance } = WorkflowEngine

type Execute = (
  payload: object,
  executionId: string,
) => Effect.Effect<unknown, unknown, WorkflowEngine.WorkflowInstance | WorkflowEngine.WorkflowEngine>

interface Registered {
  readonly workflow: Workflow.Any
  readonly execute: Execute
}

/** The engine does not do this. */
export class EngineLacks extends Error {
  readonly _tag = "EngineLacks"
  constructor(what: string) {
    super(`the durable engine does not offer ${what}; see workers/orchestrator/DESIGN.md`)
  }
}

/** How one run ended. */
export type RunOutcome =
  | { readonly _tag: "Suspended" }
  /** `result` is the stored exit: a success or a typed failure. */
  | { readonly _tag: "Complete"; readonly result: string }
  /** Neither: something broke that may mend itself. */
  | { readonly _tag: "Defect"; readonly defect: unknown }

export interface DurableEngine {
  readonly engine: WorkflowEngine.WorkflowEngine["Service"]
  /** Runs the journal's execution once, from the top, and stores its result if it has one. Never fails. */
  readonly run: Effect.Effect<RunOutcome>
  /** Stores a completion and wakes a run that is parked on it. `exit` is as `exitToText` writes it. */
  readonly completeDeferred: (name: string, exit: string) => Effect.Effect<void>
  /** Ends the execution with an exit as `exitText` writes it. */
  readonly finish: (result: string) => Effect.Effect<void>
}

const payloadCodec = (workflow: Workflow.Any) =>
  Schema.toCodecJson(workflow.payloadSchema as unknown as Schema.Codec<object>)

const resultCodec = ({ successSchema, errorSchema }: Workflow.Any) =>
  Schema.toCodecJson(
    Schema.Exit(
      Schema.toCodecJson(successSchema as Schema.Codec<unknown>),
      Schema.toCodecJson(errorSchema as Schema.Codec<unknown>),
      Schema.Defect(),
    ),
  )

/** The payload as the journal keeps it. Dies when it does not fit the schema. */
export const encodePayload = (workflow: Workflow.Any, payload: object): string =>
  JSON.stringify(Schema.encodeSync(payloadCodec(workflow))(payload))

const defectOf = (cause: Cause.Cause<unknown>): unknown => {
  const defect = cause.reasons.find(Cause.isDieReason)
  return defect === undefined ? Cause.squash(cause) : defect.defect
}

const outcomeOf = (workflow: Workflow.Any, run: Exit.Exit<Workflow.Result<unknown, unknown>>): RunOutcome => {
  // Preempted by a completion: the request for another run is in the journal.
  if (Exit.isFailure(run) && Cause.hasInterruptsOnly(run.cause)) return { _tag: "Suspended" }
  if (Exit.isFailure(run)) return { _tag: "Defect", defect: defectOf(run.cause) }
  if (run.value._tag === "Suspended") return { _tag: "Suspended" }
  const { exit } = run.value
  if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) return { _tag: "Defect", defect: defectOf(exit.cause) }
  return { _tag: "Complete", result: exitText(workflow, exit) }
}

/** The final exit as the journal keeps it. Throws ResultTooLarge. */
export const exitText = (workflow: Workflow.Any, exit: Exit.Exit<unknown, unknown>): string => {
  const text = JSON.stringify(Schema.encodeSync(resultCodec(workflow))(exit))
  if (text.length > MAX_RESULT_CHARACTERS) throw new ResultTooLarge(`the result of ${workflow._tag}`, text.length)
  return text
}

/** What the engine's functions share. */
interface Parts {
  readonly journal: Journal
  /** Makes sure that the object's alarm runs the execution soon. */
  readonly wake: () => void
  readonly registered: Map<string, Registered>
  /** Done when the execution has its result. */
  readonly completion: Deferred.Deferred<void>
  readonly deferredState: WorkflowEngine.DeferredState
}

const lacks = (what: string) => Effect.die(new EngineLacks(what))

const completeDeferred = ({ journal, wake, deferredState }: Parts, name: string, exit: string) =>
  Effect.suspend(() => {
    // Stored before the run is woken: the replay must find it.
    journal.recordDeferred(name, exit)
    wake()
    const id = journal.execution()?.id
    return id === undefined ? Effect.void : deferredState.deferredDone(id, name)
  })

const finish = ({ journal, completion }: Parts, result: string) =>
  Effect.suspend(() => {
    journal.recordResult(result)
    return Effect.asVoid(Deferred.succeed(completion, undefined))
  })

const storedResult = (journal: Journal, workflow: Workflow.Any): Workflow.Result<unknown, unknown> | undefined => {
  const result = journal.execution()?.result
  if (result == null) return undefined
  return new Workflow.Complete({ exit: Schema.decodeUnknownSync(resultCodec(workflow))(JSON.parse(result)) })
}

/** Answers from the journal, or does the activity and keeps its success or typed failure. */
const executeActivity = Effect.fnUntraced(function* (journal: Journal, activity: Activity.Any, attempt: number) {
  const { workflow, executionId } = yield* WorkflowInstance
  const stored = journal.activityExit(activity.name, attempt)
  if (stored !== undefined) return new Workflow.Complete({ exit: stored })
  if (journal.execution()?.status === "complete") return yield* Effect.die(new Error("the run was cancelled"))
  journal.beginActivity(activity.name, attempt)
  const result = yield* activity.executeEncoded.pipe(
    Workflow.intoResult,
    Effect.provideService(WorkflowInstance, WorkflowInstance.initial(workflow, executionId)),
  )
  if (result._tag === "Suspended") return result
  // A defect is not an answer: it is not kept, the run ends with it and is tried again.
  if (Exit.isFailure(result.exit) && Cause.hasDies(result.exit.cause)) {
    return yield* Effect.die(defectOf(result.exit.cause))
  }
  journal.recordActivity(activity.name, attempt, result.exit)
  return result
})

const makeEngine = (parts: Parts): WorkflowEngine.WorkflowEngine["Service"] => {
  const { journal, wake, registered, completion } = parts
  return WorkflowEngine.makeUnsafe({
    register: (workflow, execute) =>
      Effect.sync(() => {
        registered.set(workflow._tag, { workflow, execute })
      }) as Effect.Effect<void, never, Scope.Scope>,
    execute: (workflow, { executionId, payload, discard, parent }) => {
      if (parent !== undefined) return lacks("child workflows")
      return Effect.sync(() => {
        journal.begin(executionId, workflow._tag, encodePayload(workflow, payload))
        wake()
        return (discard ? undefined : (storedResult(journal, workflow) ?? new Workflow.Suspended({}))) as never
      })
    },
    awaitComplete: () => Deferred.await(completion),
    poll: (workflow) => Effect.sync(() => Option.fromUndefinedOr(storedResult(journal, workflow))),
    resume: () => Effect.sync(wake),
    interrupt: () => lacks("interruption"),
    interruptUnsafe: () => lacks("interruption"),
    activityExecute: (activity, attempt) => executeActivity(journal, activity, attempt),
    deferredResult: ({ name }) => Effect.sync(() => Option.fromUndefinedOr(journal.deferredExit(name))),
    deferredDone: ({ deferredName, exit }) =>
      Effect.suspend(() => completeDeferred(parts, deferredName, exitToText(exit, `the deferred "${deferredName}"`))),
    scheduleClock: (_, { clock }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        journal.addClock(clock.deferred.name, now + Duration.toMillis(clock.duration))
      }),
  })
}

/** One run from the top, in a fresh instance. */
const runOnce = Effect.fnUntraced(function* (parts: Parts, engine: WorkflowEngine.WorkflowEngine["Service"]) {
  const { journal, registered, deferredState } = parts
  const execution = journal.execution()
  const entry = execution && registered.get(execution.workflow)
  if (execution === undefined || entry === undefined) return yield* lacks(`the workflow "${execution?.workflow}"`)
  const { workflow, execute } = entry
  const payload = Schema.decodeUnknownSync(payloadCodec(workflow))(JSON.parse(execution.payload))
  const instance = WorkflowInstance.initial(workflow, execution.id)
  // A fiber of its own: a completion that preempts the run interrupts that one, not whoever waits for it.
  const fiber = yield* execute(payload, execution.id).pipe(
    Workflow.intoResult,
    Effect.provideService(WorkflowEngine.WorkflowEngine, engine),
    (effect) => deferredState.trackRun(instance, effect),
    Effect.forkChild,
  )
  const outcome = outcomeOf(workflow, yield* Fiber.await(fiber))
  if (outcome._tag === "Complete") yield* finish(parts, outcome.result)
  return outcome
})

/** `wake` makes sure that the object's alarm runs the execution soon. */
export const makeDurableEngine = (journal: Journal, wake: () => void): DurableEngine => {
  const parts: Parts = {
    ...{ journal, wake, registered: new Map(), completion: Deferred.makeUnsafe<void>() },
    deferredState: WorkflowEngine.makeDeferredState(),
  }
  const engine = makeEngine(parts)
  return {
    engine,
    run: Effect.suspend(() => runOnce(parts, engine)).pipe(
      Effect.catchCause((cause) => Effect.succeed<RunOutcome>({ _tag: "Defect", defect: defectOf(cause) })),
    ),
    completeDeferred: (name, exit) => completeDeferred(parts, name, exit),
    finish: (result) => finish(parts, result),
  }
}
