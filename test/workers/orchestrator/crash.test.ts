// A run whose object is killed between any two steps, before or after the step's result is stored, ends like one that is not.
import { beforeEach, describe, expect, it } from "vitest"
import type { WorkflowStatus } from "#workers/orchestrator/Environment.ts"
import { LEARNED, work } from "./test-runner.ts"
import { addPairs, bindings, DATASET, finished, inWorkflowRun, runIdOf, startWorld, triggerOnce } from "./world.ts"

beforeEach(() => startWorld())

const STEPS = [
  "snapshot",
  "score/0",
  "pack/0",
  "pack",
  "train/post",
  "train",
  "evaluate/post",
  "evaluate",
  "champion/0",
  "promote/0",
] as const

type Moment = "before its result is stored" | "after its result is stored"

/** Aborts the run's object once, when it is about to store, or has just stored, what `step` gave. */
const killAt = (runId: string, step: string, moment: Moment): Promise<void> =>
  inWorkflowRun(runId, ({ journal }, state) => {
    const record = journal.recordActivity.bind(journal)
    journal.recordActivity = (name, attempt, exit) => {
      if (name !== step) return record(name, attempt, exit)
      if (moment === "before its result is stored") state.abort("killed by the test")
      record(name, attempt, exit)
      void state.storage.sync().then(() => state.abort("killed by the test"))
    }
  })

const statusOf = (runId: string): Promise<WorkflowStatus | undefined> => bindings.WORKFLOW_RUN.getByName(runId).status()

const startsOf = async (runId: string): Promise<Record<string, number>> =>
  Object.fromEntries((await statusOf(runId))!.activities.map(({ name, starts }) => [name, starts]))

describe.each<Moment>(["before its result is stored", "after its result is stored"])("killed %s", (moment) => {
  it.each(STEPS)("at %s, the run goes on by itself and promotes the same adapter", async (step) => {
    await addPairs(0, 40)
    const runId = await runIdOf("crash")
    await killAt(runId, step, moment)
    expect(await triggerOnce("crash")).toBe(runId)
    expect(await work(2, LEARNED)).toEqual([`${runId}-train`, `${runId}-evaluate`])
    const run = await finished(runId)
    expect(run).toMatchObject({ status: "succeeded", step: "done" })
    expect(run.detail.promote).toMatchObject({ version: 1, promoted: true })
    const starts = await startsOf(runId)
    expect(Object.keys(starts)).toEqual([...STEPS])
    const killed = STEPS.indexOf(step)
    STEPS.forEach((name, index) => {
      // A step whose result was stored never begins again; the one after it may have begun when the object was killed.
      const isRepeated = moment === "before its result is stored" ? index === killed : index === killed + 1
      if (isRepeated) expect([1, 2]).toContain(starts[name])
      else expect([name, starts[name]]).toEqual([name, 1])
    })
    if (moment === "before its result is stored") expect(starts[step]).toBe(2)
    const { results } = await bindings.DB.prepare("SELECT version FROM models WHERE name = ?").bind(DATASET).all()
    expect(results).toEqual([{ version: 1 }])
  })
})
