// A judge behind an endpoint, asked by runners that fail, are killed, and take each other's work up: no verdict is lost, none doubled, no budget passed. Over 300 lines: a case a
// way to fail.
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import fc from "fast-check"
import { HttpResponse } from "msw"
import { afterAll, describe, expect, test } from "vitest"
import { costOf, mostTokens } from "#shared/evaluation/judge/judge-cost.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { keptLine } from "#shared/wire/kept-lines.ts"
import { askedAccuracy } from "#shared/workflows/asked-answers.ts"
import { isFullRun } from "#test/full-run.ts"
import { cutOff, said, startJudge } from "../client/judge/judge-stand-in.ts"
import { createWorkspace } from "../support/tiny-folder.ts"
import { AskWorld, rightAnswer, shownIn } from "./ask-world.ts"

const workspace = createWorkspace()
const judge = startJudge()
afterAll(() => {
  judge.close()
  workspace.remove()
})
const world = new AskWorld(workspace)

/** Two opponents over six prompts, of which one pair is alike; a pair of people's in both orders, and four canaries in both. */
const QUESTIONS = 11 + 2 + 8
const sure = (gap: number) => 1 / (1 + Math.exp(-gap / 4))
const answer = (_: number, body: JudgeQuestion["body"]) => rightAnswer(body)

let jobs = 0
const newJob = () => `job-${++jobs}`
judge.behave(answer)
const undisturbed = await world.ask(world.spec(), newJob())
const undisturbedBodies = judge.bodies()

test("each pair is asked about once, after the canaries, and its verdict is the judge's own", async () => {
  judge.behave(answer)
  const { values, asked, ledger } = await world.ask(world.spec(), newJob())
  expect(judge.bodies()).toHaveLength(QUESTIONS)
  expect(shownIn(judge.bodies()[0]!).instruction).toMatch(/capital of Japan/)
  expect(new Set(judge.keys())).toEqual(new Set(["Bearer secret-key"]))
  const gaps = { "support@1": [0, 4, 4, -5, 4, 4], "tiny@1": [1, 7, 6, -4, 4, 3] }
  for (const [name, expected] of Object.entries(gaps))
    for (const [index, gap] of expected.entries()) expect(values[name]![index]).toBeCloseTo(sure(gap), 12)
  expect(askedAccuracy(asked.get(null)!, ledger)).toMatchObject({ pairs: 1, accuracy: 1, ties: 0 })
  expect(ledger.requests()).toBe(QUESTIONS)
  expect(world.progress.at(-1)).toMatchObject({ step: QUESTIONS, steps: QUESTIONS })
})

test("a judge without log-probs is asked in words, in both orders", async () => {
  judge.behave(answer)
  const { values } = await world.ask(world.spec({ verdict: "text" }), newJob())
  expect(values["support@1"]).toEqual([0.5, 1, 1, 0, 1, 1])
  expect(judge.bodies()).toHaveLength(2 * 11 + 2 + 8)
})

describe("what passes is waited for", () => {
  test.each<[string, () => Response]>([
    ["429", () => new HttpResponse("slow down", { status: 429, headers: { "retry-after": "3" } })],
    ["500", () => new HttpResponse("oops", { status: 500 })],
    ["a stream that is cut off", cutOff],
    ["an answer that is no JSON", () => new HttpResponse('{"model":"judge-1","choi', { status: 200 })],
    ["an answer that is far too long", () => HttpResponse.json(said("x".repeat(40_000)))],
  ])(
    "%s, at the first try of every question: all verdicts are those of an undisturbed judge",
    async (name, failure) => {
      const waits: number[] = []
      const tried = new Set<string>()
      judge.behave((_, body) => {
        const { size } = tried
        return tried.add(JSON.stringify(body)).size > size ? failure() : rightAnswer(body)
      })
      const found = await world.ask(world.spec(), newJob(), { sleep: async (ms) => void waits.push(ms) })
      expect(found.values).toEqual(undisturbed.values)
      expect([found.ledger.requests(), judge.bodies().length]).toEqual([2 * QUESTIONS, 2 * QUESTIONS])
      if (name === "429") expect(new Set(waits)).toEqual(new Set([3000]))
    },
  )

  test("but not for ever: what failed six times is another attempt's, which asks no other question again", async () => {
    const jobId = newJob()
    const hard = "Question 4"
    judge.behave((_, body) =>
      shownIn(body).instruction === hard ? new HttpResponse("oops", { status: 502 }) : rightAnswer(body),
    )
    await expect(world.ask(world.spec(), jobId)).rejects.toMatchObject({
      ...{ retryable: true, message: expect.stringMatching(/^2 of 13 questions have no answer .*status 502: oops/) },
    })
    judge.behave(answer)
    expect((await world.ask(world.spec(), jobId)).values).toEqual(undisturbed.values)
    expect(judge.bodies().map((body) => shownIn(body).instruction)).toEqual([hard, hard])
  })
})

test("a verdict that names no answer is none: its prompt is left out, and not asked again", async () => {
  const top_logprobs = [{ token: "Both", logprob: -0.1 }]
  judge.behave((_, body) =>
    shownIn(body).instruction === "Question 2"
      ? HttpResponse.json(
          said("Both", { choices: [{ finish_reason: "length", logprobs: { content: [{ top_logprobs }] } }] }),
        )
      : rightAnswer(body),
  )
  const { values } = await world.ask(world.spec(), newJob())
  expect(values["support@1"]!.map((value) => value === undefined)).toEqual([false, false, true, false, false, false])
  expect(judge.bodies()).toHaveLength(QUESTIONS)
})

describe("what is the endpoint's own ends the job for good", () => {
  test.each<[string, (body: JudgeQuestion["body"]) => Response, RegExp]>([
    [
      "no log-probs",
      () => HttpResponse.json(said("m")),
      /^judge-1 gives no log-probs here, .* say judge\.verdict "text"/,
    ],
    [
      "another model",
      () => HttpResponse.json(said("m", { model: "small-judge" })),
      /^judge-1 was asked and small-judge answered; .* with judge\.model$/,
    ],
    [
      "a wrong address",
      () => new HttpResponse("none", { status: 404 }),
      /404: none; look at judge\.url and judge\.model$/,
    ],
    [
      "a judge that says nothing",
      () =>
        HttpResponse.json(
          said("?", {
            choices: [{ logprobs: { content: [{ top_logprobs: [{ token: "?", logprob: -0.1 }] }] } }],
          }),
        ),
      /^judge-1 names no verdict on answers to "What is the capital .* in neither order.*; choose another judge$/,
    ],
    [
      "a judge that prefers what is wrong",
      (body) => {
        const { first } = shownIn(body)
        const [m, M] = /Tokyo/.test(first) ? [-4, -0.02] : [-0.02, -4]
        const top_logprobs = [
          { token: "m", logprob: m },
          { token: "M", logprob: M },
        ]
        return HttpResponse.json(
          said("m", {
            choices: [
              { message: { content: "m" }, finish_reason: "length", logprobs: { content: [{ top_logprobs }] } },
            ],
          }),
        )
      },
      /^judge-1 prefers "Its capital is Kyoto\." to .* counts for nothing; choose another judge$/,
    ],
  ])("%s", async (_, behaviour, message) => {
    judge.behave((__, body) => behaviour(body))
    await expect(world.ask(world.spec(), newJob())).rejects.toMatchObject({
      ...{ message: expect.stringMatching(message), retryable: false },
    })
    expect(judge.bodies().length).toBeLessThanOrEqual(8)
  })
})

describe("what is this runner's own is given back for another", () => {
  const givenBack = (message: RegExp) => ({ message: expect.stringMatching(message), isBeyondRunner: true })
  const execute = (own: { url: string; apiKey: string } | undefined) =>
    world.execute(
      { directory: workspace.at("none"), device: async () => Promise.reject(), judge: own },
      world.spec(),
      newJob(),
    )

  test("no endpoint, or another: nobody is asked, and the key goes nowhere", async () => {
    judge.behave(answer)
    await expect(execute(undefined)).rejects.toMatchObject(
      givenBack(/^it may ask no judge; start a runner with YOHAKU_JUDGE_URL=http:\/\/judge\.test\/v1, and/),
    )
    await expect(execute({ url: "http://other.test/v1", apiKey: "secret-key" })).rejects.toMatchObject(
      givenBack(/^the judge is at http:\/\/judge\.test\/v1, and this runner may ask the one at http:\/\/other\.test/),
    )
    expect(judge.bodies()).toEqual([])
  })

  test("a key that is refused, which no message and no record repeats", async () => {
    const jobId = newJob()
    judge.behave(() => HttpResponse.json({ error: "no account has secret-key" }, { status: 401 }))
    const attempt = world.ask(world.spec(), jobId)
    await expect(attempt).rejects.toMatchObject(givenBack(/no account has \(the key\).*put the endpoint's key into/))
    expect(world.records(jobId).length).toBeGreaterThan(0)
    expect(JSON.stringify(world.records(jobId))).not.toContain("secret-key")
  })

  test("a quota that is used up for hours", async () => {
    judge.behave(() => new HttpResponse("quota", { status: 429, headers: { "retry-after": "7200" } }))
    await expect(world.ask(world.spec(), newJob())).rejects.toMatchObject(givenBack(/asks to wait 120 minutes/))
  })
})

describe("a budget", () => {
  test("that holds too few requests is told before anything is asked", async () => {
    judge.behave(answer)
    await expect(world.ask(world.spec({ budget: { requests: QUESTIONS - 1 } }), newJob())).rejects.toMatchObject({
      ...{ message: expect.stringMatching(/^21 questions are to be asked and 20 requests are left of judge\.budget/) },
      retryable: false,
    })
    expect(judge.bodies()).toEqual([])
  })

  test("that failures used up is told with the last of them", async () => {
    judge.behave(() => new HttpResponse("oops", { status: 500 }))
    await expect(world.ask(world.spec({ budget: { requests: QUESTIONS } }), newJob())).rejects.toMatchObject({
      ...{
        message: expect.stringMatching(/nothing was left of the budget \(the last request failed: status 500: oops\)/),
      },
    })
  })

  test("in money is never passed: a question is asked only if the most that it can cost is left", async () => {
    judge.behave(answer)
    const price = { prompt: 1000, completion: 1000 }
    await expect(world.ask(world.spec({ price, budget: { cost: 2 } }), newJob())).rejects.toMatchObject({
      ...{ message: expect.stringMatching(/^for \d+ of \d+ questions nothing was left of the budget/) },
      retryable: false,
    })
    const asked = judge.bodies().length
    expect(asked).toBeGreaterThan(0)
    expect(asked * costOf({ prompt: 100, completion: 1 }, price)).toBeLessThanOrEqual(2)
  })
})

describe("what a runner has heard", () => {
  const directory = workspace.at("heard")

  test("is not asked by its later jobs, whose budget it is not of; the canaries are", async () => {
    judge.behave(answer)
    const price = { prompt: 1000, completion: 1000 }
    const poor = world.spec({ price, budget: { cost: 2 } })
    await expect(world.ask(poor, newJob(), { directory })).rejects.toThrow(/nothing was left of the budget/)
    const paid = judge.bodies().length - 8
    expect(paid).toBeGreaterThan(0)
    judge.behave(answer)
    const { values, ledger } = await world.ask(world.spec(), newJob(), { directory })
    expect([values, judge.bodies().length]).toEqual([undisturbed.values, QUESTIONS - paid])
    expect([ledger.requests(), ledger.tokens().completion]).toEqual([QUESTIONS - paid, QUESTIONS - paid])
    judge.behave(answer)
    const again = await world.ask(world.spec(), newJob(), { directory })
    expect([again.values, judge.bodies().length]).toEqual([undisturbed.values, 8])
  })

  test("after an answer without a verdict is not asked again either", async () => {
    const own = workspace.at("heard-follow-ups")
    const hesitating = (_: number, body: JudgeQuestion["body"]) =>
      body.messages.length > 2 || /Tokyo|rain tomorrow|Take shorter|scatters short/.test(JSON.stringify(body.messages))
        ? rightAnswer(body)
        : HttpResponse.json(said("Let me see."))
    judge.behave(hesitating)
    const first = await world.ask(world.spec({ verdict: "text" }), newJob(), { directory: own })
    expect(judge.bodies()).toHaveLength(2 * (2 * 11 + 2) + 8)
    judge.behave(hesitating)
    const { values, ledger } = await world.ask(world.spec({ verdict: "text" }), newJob(), { directory: own })
    expect([values, judge.bodies().length, ledger.requests()]).toEqual([first.values, 8, 8])
    expect(values["support@1"]).toEqual([0.5, 1, 1, 0, 1, 1])
  })

  test("of another judge is another's, and a torn or damaged line is an answer that is not known", async () => {
    judge.behave(answer)
    const [file] = readdirSync(path.join(directory, "judged"))
    const heard = path.join(directory, "judged", file!)
    const lines = readFileSync(heard, "utf8").split("\n")
    writeFileSync(heard, ["damaged", ...lines.slice(1, -2), lines.at(-2)!.slice(0, 40)].join("\n"))
    const { values } = await world.ask(world.spec(), newJob(), { directory })
    expect([values, judge.bodies().length]).toEqual([undisturbed.values, 8 + 2])
    judge.behave((_, body) => HttpResponse.json({ ...JSON.parse(JSON.stringify(said("m"))), model: body.model }))
    await expect(world.ask(world.spec({ model: "judge-2" }), newJob(), { directory })).rejects.toThrow(/no log-probs/)
  })
})

test.each([keptLine('{"kind":"answer","key":"k"}'), keptLine("{"), '{"notext":1}'])(
  "a kept line that is no record ends the job for good: %s",
  async (line) => {
    judge.behave(answer)
    const jobId = newJob()
    world.keepLine(jobId, line)
    await expect(world.ask(world.spec(), jobId)).rejects.toMatchObject({
      ...{
        _tag: "JobFailed",
        retryable: false,
        message: expect.stringMatching(/^what the job keeps holds a line that/),
      },
    })
    expect(judge.bodies()).toEqual([])
  },
)

test("what would be too long to be taken is foretold by the canaries' answers, before the rest is paid for", async () => {
  judge.behave(answer)
  const jobId = newJob()
  const failure = { kind: "failure", key: "k", attempt: 1, isFinal: false, isFree: true, response: "x".repeat(2 ** 20) }
  for (let line = 0; line < 9; line++) world.keepLine(jobId, keptLine(JSON.stringify(failure)))
  await expect(world.ask(world.spec(), jobId)).rejects.toMatchObject({
    ...{
      retryable: false,
      message: expect.stringMatching(/^by its first 8 answers, .* 21 questions will be about 2\d{7} /),
    },
  })
  expect(judge.bodies()).toHaveLength(8)
})

test("through any faults, killed anywhere, each time taken up by another runner: one verdict a question, and no budget passed", async () => {
  const price = { prompt: 2, completion: 8 }
  const faults: readonly (() => Response)[] = [
    () => new HttpResponse("slow down", { status: 429, headers: { "retry-after": "1" } }),
    () => new HttpResponse("oops", { status: 500 }),
    () => HttpResponse.error(),
    () => new HttpResponse('{"model":"judge-1","choi', { status: 200 }),
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 14 }), { maxLength: 3 }),
      fc.array(fc.option(fc.nat({ max: faults.length - 1 }), { nil: undefined, freq: 3 }), { maxLength: 30 }),
      async (kills, plan) => {
        const jobId = newJob()
        const answered: string[] = []
        let served = 0
        const faulty = (body: JudgeQuestion["body"]) => {
          const fault = plan[served++]
          return fault === undefined ? rightAnswer(body) : faults[fault]!()
        }
        const most = 60 * Math.max(...undisturbedBodies.map((body) => costOf(mostTokens({ body }), price)))
        const spec = world.spec({ price, budget: { requests: 120, cost: most } })
        for (const after of kills) {
          const kill = new AbortController()
          judge.behave((request, body) => {
            if (request > after) kill.abort(new Error("killed"))
            return faulty(body)
          })
          await world.ask(spec, jobId, { signal: kill.signal }).catch(() => undefined)
          const known = world.records(jobId).filter(({ kind }) => kind === "answer")
          answered.push(...known.map(({ key }) => key).slice(answered.length))
        }
        judge.behave((_, body) => faulty(body))
        let last = await world.ask(spec, jobId).catch(() => undefined)
        // What failed six times is another attempt's.
        while (last === undefined && served < 1000) last = await world.ask(spec, jobId).catch(() => undefined)
        if (last === undefined) throw new Error("it never ends")
        expect(last.values).toEqual(undisturbed.values)
        const answers = world.records(jobId).filter(({ kind }) => kind === "answer")
        expect([new Set(answers.map(({ key }) => key)).size, answers.length]).toEqual([QUESTIONS, QUESTIONS])
        expect(answers.slice(0, answered.length).map(({ key }) => key)).toEqual(answered)
        expect(last.ledger.requests()).toBeLessThanOrEqual(120)
        expect(last.ledger.requests()).toBeGreaterThanOrEqual(served)
        expect(costOf(last.ledger.tokens(), price)).toBeLessThanOrEqual(most)
      },
    ),
    { numRuns: isFullRun ? 60 : 6 },
  )
})
