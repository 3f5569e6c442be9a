// An evaluation that is under way ends when it is cancelled, as a run does.
import { beforeEach, describe, expect, it } from "vitest"
import { answerNext } from "./answers.ts"
import { addModels, ask, BASE, ended, look, NAME, says } from "./evaluation-world.ts"
import { leaseAny } from "./test-runner.ts"
import { inWorkflowRun, orchestrator, startWorld, until, valueIn } from "./world.ts"

beforeEach(() => startWorld())

describe("an evaluation that is cancelled", () => {
  beforeEach(addModels)

  const cancel = (id: string, modelName = NAME) => orchestrator.cancelEvaluation({ modelName, id })

  it("ends at once, its runner is refused, and no job of it follows", async () => {
    const { evaluationId } = valueIn(await ask())
    const { jobId, fencingToken } = await leaseAny()
    expect(valueIn(await cancel(evaluationId))).toMatchObject({ status: "cancelled", error: "it was cancelled" })
    expect(await orchestrator.heartbeat({ jobId, fencingToken })).toMatchObject({
      ok: false,
      error: { _tag: "StaleLease" },
    })
    expect(await orchestrator.keep({ jobId, fencingToken, from: 0, lines: ["late"] })).toMatchObject({ ok: false })
    expect(await inWorkflowRun(evaluationId, (_, state) => state.storage.getAlarm())).toBeNull()
    expect(valueIn(await orchestrator.lease({ runnerId: "next", waitMs: 300, adapter: "a test" }))).toBeNull()
    expect(await look(evaluationId)).toMatchObject({ status: "cancelled", step: "generate" })
    // It stays so: the same request again is the same evaluation.
    expect(valueIn(await ask())).toEqual({ evaluationId, created: false })
    expect(valueIn(await cancel(evaluationId)).status).toBe("cancelled")
  })

  it("keeps what it had noted, and is none that is over, of another model, or not there", async () => {
    const { evaluationId } = valueIn(await ask({ against: [BASE] }))
    await answerNext(says)
    await until(
      () => look(evaluationId),
      ({ step }) => step === "judge",
    )
    expect(Object.keys(valueIn(await cancel(evaluationId)).detail)).toEqual(["generate"])
    const other = valueIn(await ask({ key: "over", against: [BASE] }))
    for (let job = 0; job < 2; job++) await answerNext(says)
    await ended(other.evaluationId)
    expect(await cancel(other.evaluationId)).toEqual({
      ok: false,
      error: { _tag: "Conflict", message: `evaluation "${other.evaluationId}" has succeeded already` },
    })
    for (const [id, name] of [
      [other.evaluationId, "judge"],
      ["none", NAME],
    ] as const)
      expect(await cancel(id, name)).toMatchObject({ ok: false, error: { _tag: "NotFound" } })
  })
})
