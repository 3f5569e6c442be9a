// The durable engine on its own, over the storage of a scratch object.
import { Cause, Effect, Exit, Layer, Schema } from "effect"
import { Activity, DurableDeferred, Workflow, WorkflowEngine } from "effect/workflow"
import { beforeEach, describe, expect, it } from "vitest"
import {
  type DurableEngine,
  EngineLacks,
  encodePayload,
  makeDurableEngine,
} from "#workers/orchestrator/engine/durable-engine.ts"
import { durableSleep } from "#workers/orchestrator/engine/durable-sleep.ts"
import { exitToText, Journal, MAX_RESULT_CHARACTERS, ResultTooLarge } from "#workers/orchestrator/engine/Journal.ts"
import { inWorkflowRun, startWorld } from "./world.ts"

beforeEach(() => startWorld())

const answer = DurableDeferred.make("answer", { success: Schema.Struct({ value: Schema.Int }) })

const Probe = Workflow.make("Probe", {
  payload: { size: Schema.Int },
  success: Schema.Int,
  error: Schema.Struct({ reason: Schema.String }),
  idempotencyKey: ({ size }) => String(size),
})

interface Bench {
  readonly journal: Journal
  readonly durable: DurableEngine
  /** A new engine over the same storage, as after a restart. */
  readonly restart: () => Promise<DurableEngine>
  readonly log: string[]
}

type Body = (
  log: string[],
  size: number,
) => Effect.Effect<number, { readonly reason: string }, WorkflowEngine.WorkflowEngine | WorkflowEngine.WorkflowInstance>

/** Registers `body` as the probe's, in an object of its own, and hands the parts to `use`. */
const withBench = <A>(name: string, body: Body, use: (bench: Bench) => Promise<A>): Promise<A> =>
  inWorkflowRun(name, async (_, state) => {
    const log: string[] = []
    const build = async () => {
      const durable = makeDurableEngine(new Journal(state.storage.sql), () => log.push("wake"))
      const layer = Probe.toLayer(({ size }) => body(log, size)).pipe(
        Layer.provide(Layer.succeed(WorkflowEngine.WorkflowEngine, durable.engine)),
      )
      await Effect.runPromise(Effect.scoped(Layer.build(layer)))
      return durable
    }
    const journal = new Journal(state.storage.sql)
    journal.begin("execution", "Probe", encodePayload(Probe, { size: 3 }))
    return use({ journal, durable: await build(), restart: build, log })
  })

const step = (log: string[], name: string, value: number) =>
  Activity.make({
    name,
    success: Schema.Int,
    execute: Effect.sync(() => {
      log.push(name)
      return value
    }),
  })

describe("the durable engine", () => {
  it("answers finished activities from the journal and suspends at an open deferred, across restarts", () =>
    withBench(
      "deferred",
      (log) =>
        Effect.gen(function* () {
          const one = yield* step(log, "one", 1)
          const { value } = yield* DurableDeferred.await(answer)
          return one + value + (yield* step(log, "two", 2))
        }),
      async ({ durable, restart, journal, log }) => {
        expect(await Effect.runPromise(durable.run)).toEqual({ _tag: "Suspended" })
        const second = await restart()
        expect(await Effect.runPromise(second.run)).toEqual({ _tag: "Suspended" })
        await Effect.runPromise(second.completeDeferred("answer", exitToText(Exit.succeed({ value: 10 }), "answer")))
        expect(journal.execution()).toMatchObject({ again: true })
        const third = await restart()
        const outcome = await Effect.runPromise(third.run)
        expect(outcome).toMatchObject({ _tag: "Complete" })
        expect(outcome._tag === "Complete" && JSON.parse(outcome.result)).toEqual({ _tag: "Success", value: 13 })
        expect(log).toEqual(["one", "wake", "two"])
      },
    ))

  it("keeps the first completion of a deferred", () =>
    withBench(
      "first",
      () => Effect.map(DurableDeferred.await(answer), ({ value }) => value),
      async ({ durable }) => {
        for (const value of [1, 2])
          await Effect.runPromise(durable.completeDeferred("answer", exitToText(Exit.succeed({ value }), "answer")))
        const outcome = await Effect.runPromise(durable.run)
        expect(outcome._tag === "Complete" && JSON.parse(outcome.result)).toMatchObject({ value: 1 })
      },
    ))

  it("sleeps in the journal even for a millisecond, and goes on once the clock is due", () =>
    withBench(
      "clock",
      (log) => Effect.andThen(durableSleep("nap", 30), step(log, "after", 5)),
      async ({ durable, restart, journal, log }) => {
        expect(await Effect.runPromise(durable.run)).toEqual({ _tag: "Suspended" })
        const due = journal.nextClock()!
        expect(due).toBeGreaterThan(Date.now() - 1000)
        const second = await restart()
        journal.fireClocks(due - 1, exitToText(Exit.succeed(null), "clock"))
        expect(await Effect.runPromise(second.run)).toEqual({ _tag: "Suspended" })
        expect(journal.nextClock()).toBe(due)
        journal.fireClocks(due, exitToText(Exit.succeed(null), "clock"))
        expect(await Effect.runPromise(second.run)).toMatchObject({ _tag: "Complete" })
        expect(log.filter((entry) => entry === "after")).toHaveLength(1)
        expect(journal.nextClock()).toBeUndefined()
      },
    ))

  it("keeps a typed failure as the answer of an activity", () =>
    withBench(
      "typed",
      (log) =>
        Activity.make({
          name: "fails",
          error: Schema.Struct({ reason: Schema.String }),
          execute: Effect.suspend(() => {
            log.push("fails")
            return Effect.fail({ reason: "no" })
          }),
        }).pipe(Effect.as(1)),
      async ({ durable, log }) => {
        for (let run = 0; run < 2; run++) {
          const outcome = await Effect.runPromise(durable.run)
          expect(outcome._tag === "Complete" && JSON.parse(outcome.result)).toEqual({
            ...{ _tag: "Failure" },
            cause: [{ _tag: "Fail", error: { reason: "no" } }],
          })
        }
        expect(log).toEqual(["fails"])
      },
    ))

  it("does not keep a defect: the activity begins again with the next run", () =>
    withBench(
      "defect",
      (log) =>
        Activity.make({
          name: "flaky",
          success: Schema.Int,
          execute: Effect.sync(() => {
            log.push("flaky")
            if (log.length === 1) throw new Error("unplugged")
            return 4
          }),
        }),
      async ({ durable, journal }) => {
        const first = await Effect.runPromise(durable.run)
        expect(first._tag === "Defect" && (first.defect as Error).message).toBe("unplugged")
        expect(journal.activities()).toEqual([{ name: "flaky", attempt: 1, starts: 1, exit: null }])
        expect(await Effect.runPromise(durable.run)).toMatchObject({ _tag: "Complete" })
        expect(journal.activities()[0]).toMatchObject({ starts: 2 })
      },
    ))

  it("refuses a result that its journal cannot hold, and says what to do instead", () =>
    withBench(
      "large",
      () =>
        Activity.make({
          name: "large",
          success: Schema.String,
          execute: Effect.succeed("x".repeat(MAX_RESULT_CHARACTERS)),
        }).pipe(Effect.as(1)),
      async ({ durable, journal }) => {
        const outcome = await Effect.runPromise(durable.run)
        expect(outcome._tag === "Defect" && outcome.defect).toBeInstanceOf(ResultTooLarge)
        expect(outcome._tag === "Defect" && (outcome.defect as Error).message).toMatch(
          /^the result of activity "large" is 15000\d\d characters of JSON and the journal holds 1500000; put the data into a blob/,
        )
        expect(journal.activities()).toMatchObject([{ name: "large", exit: null }])
      },
    ))

  it.each<[string, Effect.Effect<unknown, unknown, WorkflowEngine.WorkflowEngine | WorkflowEngine.WorkflowInstance>]>([
    ["child workflows", Probe.execute({ size: 4 })],
    ["interruption", Probe.interrupt("execution")],
  ])("says that it offers no %s", (what, unoffered) =>
    withBench(
      `lacks ${what}`,
      () => Effect.as(Effect.orDie(unoffered), 1),
      async ({ durable }) => {
        const outcome = await Effect.runPromise(durable.run)
        const defect = outcome._tag === "Defect" ? outcome.defect : undefined
        expect(defect).toBeInstanceOf(EngineLacks)
        expect((defect as EngineLacks).message).toBe(
          `the durable engine does not offer ${what}; see workers/orchestrator/DESIGN.md`,
        )
      },
    ),
  )

  it("gives its result to whoever executes the same payload again", () =>
    withBench(
      "poll",
      (log) => step(log, "one", 1),
      async ({ durable }) => {
        expect(await Effect.runPromise(durable.run)).toMatchObject({ _tag: "Complete" })
        const result = await Effect.runPromise(
          Probe.execute({ size: 3 }).pipe(
            Effect.provideService(WorkflowEngine.WorkflowEngine, durable.engine),
            Effect.exit,
          ),
        )
        expect(Exit.isSuccess(result) ? result.value : Cause.pretty(result.cause)).toBe(1)
      },
    ))
})
