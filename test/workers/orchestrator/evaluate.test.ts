// An evaluation from its request to win rates, over real objects and stores; and every way in which it ends otherwise.
import { beforeEach, describe, expect, it } from "vitest"
import type { EvaluationInput } from "#shared/wire/services.ts"
import { answerNext, completeWith, judge, type Prompt, putSuite } from "./answers.ts"
import { addModels, ask, BASE, ended, look, NAME, PROMPTS, says } from "./evaluation-world.ts"
import { leaseAny, makeAdapter } from "./test-runner.ts"
import {
  bindings,
  inSweeper,
  inWorkflowRun,
  orchestrator,
  putBlob,
  readBlob,
  startWorld,
  until,
  valueIn,
} from "./world.ts"

beforeEach(() => startWorld())

describe("an evaluation", () => {
  beforeEach(addModels)

  it("has candidate, production and base answer in one job, judges, counts, and stores what it found", async () => {
    const { evaluationId, created } = valueIn(await ask({ answering: { maxTokens: 32 } }))
    expect(created).toBe(true)
    const job = await answerNext(says)
    expect(job.spec).toMatchObject({
      kind: "generate",
      runId: evaluationId,
      answering: { count: 1, seed: 0, temperature: 0, maxTokens: 32 },
    })
    if (job.spec.kind !== "generate") throw new Error("no generate job")
    expect(job.spec.voices.map(({ name, adapter }) => [name, adapter !== undefined])).toEqual([
      [`${NAME}@2`, true],
      [`${NAME}@1`, true],
      ["tiny@1", false],
    ])
    const judged = await answerNext(says)
    expect(judged.spec).toMatchObject({ kind: "judge", readsReference: true })
    const evaluation = await ended(evaluationId)
    expect(evaluation).toMatchObject({
      ...{ status: "succeeded", step: "done", model: { name: NAME, version: 2 } },
      against: [{ name: NAME, version: 1 }, BASE],
    })
    const { winRates, judgeAccuracy, report, prompts } = evaluation.detail.judge!
    expect([prompts, winRates.map(({ against }) => against)]).toEqual([12, [{ name: NAME, version: 1 }, BASE]])
    // Alike, silent against text, text against silence, quieter, then eight times louder.
    expect(winRates[0]).toMatchObject({ wins: 9, losses: 2, ties: 1, rate: 9.5 / 12, notJudged: 0 })
    const sigmoid = 1 / (1 + Math.exp(-1))
    expect(winRates[0]!.preference.mean).toBeCloseTo((0.5 + 0 + 1 + (1 - sigmoid) + 8 * sigmoid) / 12, 12)
    expect(winRates[0]!.low).toBeLessThan(winRates[0]!.rate)
    expect(winRates[0]!.groups.map(({ key, value, wins, losses, ties }) => [key, value, wins, losses, ties])).toEqual([
      ["setting", "sales", 2, 1, 1],
      ["setting", "support", 7, 1, 0],
    ])
    expect(judgeAccuracy).toMatchObject({ pairs: 4, accuracy: 0.75, ties: 0 })
    const stored = JSON.parse(new TextDecoder().decode(await readBlob(report)))
    expect(stored).toMatchObject({ format: "yohaku-evaluation-report", model: `${NAME}@2`, winRates, judgeAccuracy })
    expect(stored.responses).toEqual(evaluation.detail.generate!.responses)
  })

  it("has a judge behind an endpoint asked by a runner, and counts from its raw answers", async () => {
    const endpoint = { url: "https://judge.example.com/v1", model: "judge-1-2026-01-05", budget: { requests: 500 } }
    const { evaluationId } = valueIn(await ask({ judge: endpoint }))
    await answerNext(says)
    const asked = await answerNext(says)
    expect(asked.spec).toMatchObject({ kind: "ask", judge: endpoint, candidate: `${NAME}@2` })
    const { judge: shown, detail } = await ended(evaluationId)
    expect(shown).toEqual(endpoint)
    const { winRates, judgeAccuracy, report, scores } = detail.judge!
    // Alike, silent, longer than silence, shorter, then eight times longer by one.
    expect(winRates[0]).toMatchObject({ wins: 9, losses: 2, ties: 1, rate: 9.5 / 12, notJudged: 0 })
    const share = (gap: number) => 1 / (1 + Math.exp(-gap))
    const expected = (0.5 + share(-10) + share(11) + share(-1) + 8 * share(1)) / 12
    expect(winRates[0]!.preference.mean).toBeCloseTo(expected, 12)
    expect(winRates[0]!.groups.map(({ value, wins, losses, ties }) => [value, wins, losses, ties])).toEqual([
      ["sales", 2, 1, 1],
      ["support", 7, 1, 0],
    ])
    // It goes with people where they took the longer answer.
    expect(judgeAccuracy).toMatchObject({ pairs: 4, accuracy: 0.75, ties: 0 })
    const { winRates: stored, judge: named } = JSON.parse(new TextDecoder().decode(await readBlob(report)))
    expect([stored, named]).toEqual([winRates, endpoint])
    expect(new TextDecoder().decode(await readBlob(scores))).toContain('"kind":"answer"')
  })

  it("is one evaluation for one key, also of two requests at once, and another for another key", async () => {
    const [first, second] = await Promise.all([ask(), ask()])
    expect(valueIn(first!).evaluationId).toBe(valueIn(second!).evaluationId)
    const again = valueIn(await ask())
    expect(again).toEqual({ evaluationId: valueIn(first!).evaluationId, created: false })
    expect(valueIn(await ask({ key: "other" })).evaluationId).not.toBe(again.evaluationId)
  })

  const addHeldAs = async (baseWeights: string) =>
    valueIn(
      await bindings.REGISTRY.getByName(NAME).register({
        ...{ name: NAME, kind: "adapter", files: await makeAdapter({ chosen: 0, rejected: 0 }, baseWeights) },
        ...{ base: BASE, metrics: { baseWeights } },
      }),
    )

  it("has a base, which says nothing of how it is held, answer beside an adapter that was trained on it as it is stored", async () => {
    await addHeldAs("stored")
    valueIn(await ask({ version: 3, against: [BASE] }))
    const { spec } = await answerNext(says)
    expect(spec.kind === "generate" && spec.voices.map(({ name }) => name)).toEqual([`${NAME}@3`, "tiny@1"])
  })

  it("has models that are held otherwise answer in a job of their own", async () => {
    await addHeldAs("nf4")
    const { evaluationId } = valueIn(await ask({ version: 3, against: [{ name: NAME, version: 1 }] }))
    const jobs = [await answerNext(says), await answerNext(says), await answerNext(says)]
    expect(jobs.map(({ spec }) => [spec.kind, "baseWeights" in spec ? spec.baseWeights : undefined])).toEqual([
      ["generate", "nf4"],
      ["generate", undefined],
      ["judge", undefined],
    ])
    expect((await ended(evaluationId)).status).toBe("succeeded")
  })

  it("leaves out the prompts of which the judge can score an answer not at all, and fails where that is all of them", async () => {
    const { evaluationId } = valueIn(await ask({ against: [BASE] }))
    const unsure = (name: string, _: Prompt, index: number) => (name === `${NAME}@2` && index > 0 ? "?" : "fine!")
    for (let job = 0; job < 2; job++) await answerNext(unsure)
    const { detail } = await ended(evaluationId)
    expect(detail.judge!.winRates[0]).toMatchObject({ wins: 0, losses: 0, ties: 1, rate: 0.5, notJudged: 11 })
    const other = valueIn(await ask({ key: "none", against: [BASE] }))
    for (let job = 0; job < 2; job++) await answerNext(() => "?")
    const failed = await ended(other.evaluationId)
    expect([failed.status, failed.step]).toEqual(["failed", "judge"])
    expect(failed.error).toMatch(/^the judge could score the answers to no prompt; look at/)
  })

  it("fails where a runner hands in what is not of the suite, or lacks a contestant", async () => {
    const { evaluationId } = valueIn(await ask({ against: [BASE] }))
    await answerNext(says)
    const judging = await leaseAny()
    if (judging.spec.kind !== "judge") throw new Error("no judge job")
    const prompts = await putSuite(PROMPTS.slice(1))
    await completeWith(judging, await judge({ ...judging.spec, prompts }))
    expect((await ended(evaluationId)).error).toBe(
      "what the judge gave is not of the suite's prompts; update the runner",
    )
    const endpoint = { url: "https://judge.example.com/v1", model: "judge-1" }
    const third = valueIn(await ask({ key: "asked", against: [BASE], judge: endpoint }))
    await answerNext(says)
    const asking = await leaseAny()
    await completeWith(asking, {
      kind: "ask",
      verdicts: await putBlob('{"kind":"asked","against":"tiny@1","run":{}}\n'),
    })
    expect((await ended(third.evaluationId)).error).toMatch(
      /^what the judge said cannot be used: line 1 cannot be read/,
    )
    const other = valueIn(await ask({ key: "lacking", against: [BASE] }))
    const { "tiny@1": digest } = (await look(evaluationId)).detail.generate!.responses
    await completeWith(await leaseAny(), { kind: "generate", responses: { "tiny@1": digest! } })
    expect((await ended(other.evaluationId)).error).toBe(`the runner gave no responses of ${NAME}@2; update the runner`)
  })

  it("tells its job's progress, and why it waits", async () => {
    const { evaluationId } = valueIn(await ask())
    const waiting = await until(
      () => look(evaluationId),
      ({ standing }) => standing !== undefined,
    )
    expect(waiting.standing).toBe('its job "generate-0" waits for a runner: no runner has asked for it yet')
    const { jobId, fencingToken } = await leaseAny()
    await orchestrator.heartbeat({ jobId, fencingToken, progress: { step: 5, steps: 36, message: "prompts answered" } })
    expect((await look(evaluationId)).progress).toEqual({ step: 5, steps: 36, message: "prompts answered" })
  })

  it("goes on after its object was started anew, with what runners had done", async () => {
    const { evaluationId } = valueIn(await ask())
    await answerNext(says)
    await bindings.WORKFLOW_RUN.getByName(evaluationId).wake()
    await answerNext(says)
    expect((await ended(evaluationId)).detail.judge!.winRates).toHaveLength(2)
  })
})

describe("what is refused before anybody answers", () => {
  beforeEach(addModels)

  const refusal = async (changes: Partial<EvaluationInput>) => {
    const result = await ask({ key: JSON.stringify(changes).slice(0, 100), ...changes })
    return result.ok ? "nothing" : `${result.error._tag}: ${result.error.message}`
  }

  it("models that are not there, or cannot be held against each other", async () => {
    expect(await refusal({ version: 9 })).toMatch(/^NotFound: support-dpo@9 is not registered; GET/)
    expect(await refusal({ against: [{ name: "nobody", version: 1 }] })).toMatch(/^NotFound: nobody@1 is not/)
    expect(await refusal({ against: [{ name: NAME, version: 2 }] })).toMatch(/^Invalid: against: a model is not held/)
    expect(await refusal({ against: [BASE, BASE] })).toMatch(/^Invalid: against: one model is there twice/)
    expect(await refusal({ modelName: "tiny", version: 1 })).toMatch(/^Invalid: against: tiny@1 is a base model/)
  })

  it("judges that are not there, have learnt nothing, or judge themselves", async () => {
    expect(await refusal({ judge: { model: { name: "nobody", version: 1 } } })).toMatch(/^NotFound: nobody@1/)
    expect(await refusal({ judge: { model: BASE } })).toMatch(
      /^Invalid: judge: tiny@1 is a base model, and a log-ratio/,
    )
    expect(await refusal({ judge: { model: { name: NAME, version: 2 } } })).toMatch(/judges its own answers likes them/)
    expect(await refusal({ judge: { model: BASE, reward: "mean-log-prob" } })).toBe("nothing")
    const endpoint = { url: "https://judge.example.com/v1", model: "judge-1" }
    expect(await refusal({ judge: { ...endpoint, budget: { cost: 2 } } })).toBe(
      "Invalid: judge: a cost is counted by a price; say judge.price, or leave judge.budget.cost out",
    )
  })

  it("suites that are not stored, cannot be read, or are too much", async () => {
    expect(await refusal({ prompts: "0".repeat(64) })).toMatch(/^Invalid: prompts: blob 0{64} is not stored; upload/)
    const broken = await putBlob('{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}\n')
    expect(await refusal({ prompts: broken })).toBe(
      'Invalid: prompts: the suite cannot be used: line 2: id "a" is that of line 1 too; give each prompt its own',
    )
    expect(await refusal({ prompts: await putBlob("\n") })).toBe(
      "Invalid: prompts: the suite cannot be used: it holds no prompts; give at least one line",
    )
    expect(await refusal({ answering: { count: 8, maxTokens: 4096 } })).toBe("nothing")
    const many = await putSuite(Array.from({ length: 300 }, (_, index) => ({ id: `${index}`, prompt: "x" })))
    expect(await refusal({ prompts: many, answering: { maxTokens: 4096 } })).toMatch(
      /^Invalid: prompts: 300 prompts with 1 answers of 4096 tokens are 1228800 tokens, at most 1048576/,
    )
  })
})

describe("what is left of an evaluation", () => {
  beforeEach(addModels)

  const DAY_MS = 24 * 3_600_000

  it("keeps its blobs for a month after its end, and its numbers for ever", async () => {
    const { evaluationId } = valueIn(await ask({ against: [BASE] }))
    for (let job = 0; job < 2; job++) await answerNext(says)
    const { prompts, detail } = await ended(evaluationId)
    const { scores, report } = detail.judge!
    const all = [prompts, ...Object.values(detail.generate!.responses), scores, report]
    const left = async () =>
      (await Promise.all(all.map((digest) => bindings.BLOBS.head(`blobs/${digest}`)))).filter(Boolean)
    const endMs = (await look(evaluationId)).updatedAt
    const sweepUntil = (nowMs: number) =>
      inSweeper(async (sweeper) => {
        while (await sweeper.sweep(nowMs));
      })
    for (const days of [1, 10, 29]) await sweepUntil(endMs + days * DAY_MS)
    expect(await left()).toHaveLength(all.length)
    for (const days of [31, 39, 41]) await sweepUntil(endMs + days * DAY_MS)
    expect(await left()).toEqual([])
    expect((await look(evaluationId)).detail.judge!.winRates[0]!.wins).toBe(9)
    expect(await inWorkflowRun(evaluationId, ({ journal }) => journal.isThere())).toBe(false)
  })
})
