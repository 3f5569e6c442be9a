// Whatever an endpoint does: no verdict lost, none doubled, never more requests than told. Over 300 lines: a case a way to fail.
import { appendFileSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { HttpResponse } from "msw"
import { afterAll, describe, expect, test } from "vitest"
import { type Asking, askJudge, MAX_ATTEMPTS } from "#gpu-runner/client/judge/ask-judge.ts"
import { JudgeUnusable, retryAfterMs } from "#gpu-runner/client/judge/judge-endpoint.ts"
import { DamagedRecords, openJudgeRecords, RECORDS_FILE } from "#gpu-runner/client/judge/judge-records.ts"
import { costOf, type JudgeTokens, mostTokens } from "#shared/evaluation/judge/judge-cost.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"
import { cutOff, JUDGE, JUDGE_URL, questionsOf, startJudge, verdictOn } from "./judge-stand-in.ts"

const workspace = createWorkspace()
const judge = startJudge()
afterAll(() => {
  judge.close()
  workspace.remove()
})

let folders = 0
const newFolder = () => workspace.at(`judged-${++folders}`)
const questions = await questionsOf(12)

/** Asks in a folder; tells what came of it and how long was waited. */
async function ask(directory: string, more: Partial<Asking> = {}) {
  const records = openJudgeRecords(directory, JUDGE)
  const waits: number[] = []
  try {
    const unanswered = await askJudge(questions, {
      endpoint: { url: JUDGE_URL, judge: JUDGE, apiKey: "secret" },
      records,
      budget: { requests: 1000 },
      concurrency: 4,
      signal: new AbortController().signal,
      sleep: async (ms) => void waits.push(ms),
      ...more,
    })
    const answers = questions.map(({ key }) => records.answerTo(key))
    return { unanswered, answers, waits, requests: records.requests(), tokens: records.tokens() }
  } finally {
    records.close()
  }
}

const NOTHING_MISSING = { refused: 0, failed: 0, beyondBudget: 0, lastReason: "" }
judge.behave(() => undefined)
const undisturbed = await ask(newFolder())

const linesOf = (directory: string) =>
  readFileSync(path.join(directory, RECORDS_FILE), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

test("an endpoint that answers is asked each question once, with its key, and every answer is kept as it came", async () => {
  const directory = newFolder()
  judge.behave(() => undefined)
  const { unanswered, answers } = await ask(directory)
  expect(unanswered).toEqual(NOTHING_MISSING)
  expect([...judge.prompts()].sort()).toEqual(questions.map(({ body }) => body.messages[0]!.content).sort())
  expect(new Set(judge.keys())).toEqual(new Set(["Bearer secret"]))
  const lines = linesOf(directory)
  for (const [index, { key, body }] of questions.entries()) {
    const [line] = lines.filter(({ kind, key: of }) => kind === "answer" && of === key)
    expect(line).toMatchObject({ judge: JUDGE, model: `${JUDGE}-2026-01-05`, attempt: 1, response: verdictOn(body) })
    expect(answers[index]).toMatchObject({ verdict: line.verdict, tokens: { prompt: 100, cached: 0, completion: 1 } })
  }
  expect(lines.filter(({ kind }) => kind === "request")).toHaveLength(12)
})

test("questions that were answered are not asked again; a question that stands twice is asked once", async () => {
  const directory = newFolder()
  await ask(directory)
  judge.behave(() => undefined)
  const again = await ask(directory)
  expect([judge.prompts(), again.requests]).toEqual([[], 12])
  expect(again.answers).toEqual(undisturbed.answers)
  const records = openJudgeRecords(newFolder(), JUDGE)
  const more = { budget: { requests: 9 }, concurrency: 3, signal: new AbortController().signal }
  await askJudge([questions[0]!, questions[0]!], {
    ...more,
    records,
    endpoint: { url: JUDGE_URL, judge: JUDGE, apiKey: undefined },
  })
  records.close()
  expect(judge.prompts()).toHaveLength(1)
  expect(judge.keys()).toEqual([null])
})

describe("what may pass is waited for", () => {
  test.each<[string, () => Response]>([
    ["429", () => new HttpResponse("slow down", { status: 429 })],
    ["500", () => new HttpResponse("oops", { status: 500 })],
    ["503 with an HTML page", () => HttpResponse.html("<h1>Bad gateway</h1>", { status: 503 })],
    ["a connection that breaks", () => HttpResponse.error()],
    ["an answer that is cut off", cutOff],
    ["half an answer that ends", () => new HttpResponse('{"model":"judge-1","choi', { status: 200 })],
    ["an error with status 200", () => HttpResponse.json({ error: { message: "overloaded" } })],
    ["an answer without a choice", () => HttpResponse.json({ model: JUDGE, choices: [] })],
  ])("%s, three requests of four: every question ends with its one answer", async (_, failure) => {
    const directory = newFolder()
    judge.behave((request) => (request % 4 === 0 ? undefined : failure()))
    const { unanswered, answers, waits, requests } = await ask(directory, { concurrency: 1 })
    expect(unanswered).toEqual(NOTHING_MISSING)
    expect(answers).toEqual(undisturbed.answers)
    expect([requests, judge.prompts().length, waits.length]).toEqual([48, 48, 36])
    const answered = linesOf(directory).filter(({ kind }) => kind === "answer")
    expect([answered.length, new Set(answered.map(({ key }) => key)).size]).toEqual([12, 12])
    expect(answered.every(({ attempt }) => attempt === 4)).toBe(true)
  })

  test("as long as Retry-After says; else a second, doubled, and up to half of it less", async () => {
    judge.behave((request) => {
      const headers = request === 1 ? { "retry-after": "7" } : undefined
      return request <= 4 ? new HttpResponse(null, { status: 429, ...(headers && { headers }) }) : undefined
    })
    const { waits } = await ask(newFolder(), { concurrency: 1 })
    expect(waits[0]).toBe(7000)
    for (const [index, longest] of [2000, 4000, 8000].entries()) {
      expect(waits[index + 1]).toBeGreaterThan(longest / 2)
      expect(waits[index + 1]).toBeLessThanOrEqual(longest)
    }
  })

  test.each([
    ["12", 12_000],
    ["0.5", 500],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["Wed, 31 Dec 2025 23:00:00 GMT", 0],
    ["soon", undefined],
    [null, undefined],
  ])("Retry-After %j is %s ms", (header, expected) => {
    expect(retryAfterMs(header, Date.parse("2026-01-01T00:00:00Z"))).toBe(expected)
  })

  test("an endpoint that does not answer in time is asked again", async () => {
    const slow = () =>
      new Response(new ReadableStream({ start: () => undefined }), { headers: { "content-type": "application/json" } })
    judge.behave((request) => (request === 1 ? slow() : undefined))
    const endpoint = { url: JUDGE_URL, judge: JUDGE, apiKey: undefined, timeoutMs: 60 }
    expect(await ask(newFolder(), { endpoint })).toMatchObject({ unanswered: NOTHING_MISSING, requests: 13 })
  })

  test("but not for ever: after its tries a question is left, and asked at the next start", async () => {
    const directory = newFolder()
    const hard = questions[5]!.body.messages[0]!.content
    judge.behave((_, body) =>
      body.messages[0]!.content === hard ? new HttpResponse("oops", { status: 502 }) : undefined,
    )
    const first = await ask(directory)
    expect(first.unanswered).toEqual({ ...NOTHING_MISSING, failed: 1, lastReason: "status 502: oops" })
    expect(first.requests).toBe(11 + MAX_ATTEMPTS)
    judge.behave(() => undefined)
    expect((await ask(directory)).answers).toEqual(undisturbed.answers)
    expect(judge.prompts()).toEqual([hard])
  })

  test("and not for hours: a quota that is used up ends the work, and says when to go on", async () => {
    judge.behave(() => new HttpResponse("quota", { status: 429, headers: { "retry-after": "7200" } }))
    await expect(ask(newFolder())).rejects.toThrow(JudgeUnusable)
    await expect(ask(newFolder())).rejects.toThrow(/asks to wait 120 minutes .* what was answered is kept$/)
  })
})

describe("what will not pass ends the work at once, and what was answered is kept", () => {
  test.each<[string, (body: Parameters<typeof verdictOn>[0]) => Response, RegExp]>([
    [
      "another model answers",
      (body) => HttpResponse.json(verdictOn(body, { model: "small-judge" })),
      /^judge-1 was asked and small-judge answered; .* --judge$/,
    ],
    [
      "no log-probs",
      (body) => HttpResponse.json(verdictOn(body, { choices: [{ message: { content: "m" }, logprobs: null }] })),
      /^judge-1 gives no log-probs here, .* name a judge or an endpoint that does$/,
    ],
    [
      "a wrong key",
      () => new HttpResponse("who?", { status: 401 }),
      /status 401: who\?; put .* into YOHAKU_JUDGE_KEY$/,
    ],
    [
      "a wrong address",
      () => new HttpResponse("none", { status: 404 }),
      /status 404: none; look at --url and --judge$/,
    ],
  ])("%s", async (_, failure, message) => {
    const directory = newFolder()
    judge.behave((request, body) => (request <= 6 ? undefined : failure(body)))
    const attempt = ask(directory, { concurrency: 1 })
    await expect(attempt).rejects.toThrow(JudgeUnusable)
    await expect(attempt).rejects.toThrow(message)
    expect(judge.prompts()).toHaveLength(7)
    expect(linesOf(directory).at(-1)).toMatchObject({ kind: "failure", isFinal: false })
    judge.behave(() => undefined)
    expect((await ask(directory)).answers).toEqual(undisturbed.answers)
    expect(judge.prompts()).toHaveLength(6)
  })

  test("every question refused: it is not the questions, and none of them is given up", async () => {
    const directory = newFolder()
    judge.behave(() => new HttpResponse("logprobs unsupported", { status: 400 }))
    const attempt = ask(directory, { concurrency: 1 })
    await expect(attempt).rejects.toThrow(/refuses every question: status 400: logprobs unsupported; look at --judge/)
    expect(judge.prompts()).toHaveLength(3)
    judge.behave(() => undefined)
    expect((await ask(directory)).answers).toEqual(undisturbed.answers)
  })
})

describe("what an endpoint says of one question stays with it", () => {
  const [refused, hesitant] = [questions[7]!.body.messages[0]!.content, questions[9]!.body.messages[0]!.content]

  test("a question that it refuses is not asked again; one without a name in the answer has no preference", async () => {
    const directory = newFolder()
    const top_logprobs = [{ token: "Both", logprob: -0.1 }]
    judge.behave((_, body) => {
      const { content } = body.messages[0]!
      if (content === refused) return new HttpResponse("content filter", { status: 400 })
      if (content !== hesitant) return undefined
      return HttpResponse.json(
        verdictOn(body, { choices: [{ finish_reason: "length", logprobs: { content: [{ top_logprobs }] } }] }),
      )
    })
    const { unanswered, answers } = await ask(directory, { concurrency: 1 })
    expect(unanswered).toEqual({ ...NOTHING_MISSING, refused: 1 })
    expect(answers[7]).toBe("refused")
    expect(answers[9]).toMatchObject({ verdict: { first: undefined, second: undefined } })
    judge.behave(() => undefined)
    await ask(directory)
    expect(judge.prompts()).toEqual([])
  })
})

describe("the budget of requests", () => {
  test("is never passed, by failures, workers side by side, or another start", async () => {
    const directory = newFolder()
    judge.behave((request) => (request % 2 === 0 ? undefined : new HttpResponse(null, { status: 500 })))
    const first = await ask(directory, { budget: { requests: 8 }, concurrency: 5 })
    expect([first.requests, judge.prompts().length]).toEqual([8, 8])
    const answered = first.answers.filter((answer) => answer !== undefined).length
    expect(first.unanswered).toMatchObject({ failed: 0, beyondBudget: 12 - answered })
    judge.behave(() => undefined)
    const second = await ask(directory, { budget: { requests: 8 } })
    expect([second.requests, judge.prompts().length]).toEqual([8, 0])
    const third = await ask(directory, { budget: { requests: 60 } })
    expect(third.answers).toEqual(undisturbed.answers)
    expect(judge.prompts()).toHaveLength(12 - answered)
  })

  test("counts a request that a kill left without an answer", async () => {
    const directory = newFolder()
    const records = openJudgeRecords(directory, JUDGE)
    records.add({ kind: "request", key: questions[0]!.key, attempt: 1, at: "", most: mostTokens(questions[0]!) })
    records.close()
    judge.behave(() => undefined)
    expect(await ask(directory, { budget: { requests: 12 } })).toMatchObject({
      requests: 12,
      unanswered: { beyondBudget: 1 },
    })
    expect(judge.prompts()).toHaveLength(11)
  })
})

describe("an endpoint that has no time", () => {
  test("and says so: only what it took up is held against the requests", async () => {
    judge.behave((request) => (request % 4 === 0 ? undefined : new HttpResponse("slow down", { status: 429 })))
    const { unanswered, answers, requests } = await ask(newFolder(), { budget: { requests: 12 }, concurrency: 1 })
    expect([unanswered, answers, requests]).toEqual([NOTHING_MISSING, undisturbed.answers, 48])
  })

  test("where failures use the budget up, the last of them is told", async () => {
    judge.behave(() => new HttpResponse("oops", { status: 500 }))
    const { unanswered } = await ask(newFolder(), { budget: { requests: 5 } })
    expect(unanswered).toMatchObject({ failed: 0, beyondBudget: 12, lastReason: "status 500: oops" })
  })
})

test("two dated models under one name are two judges: the second ends the work, at this start and the next", async () => {
  const directory = newFolder()
  const later = (request: number, body: Parameters<typeof verdictOn>[0]) =>
    request <= 6 ? undefined : HttpResponse.json(verdictOn(body, { model: `${JUDGE}-2026-02-01` }))
  const message = /^judge-1-2026-02-01 answered, and judge-1-2026-01-05 before; .* --judge$/
  judge.behave(later)
  await expect(ask(directory, { concurrency: 1 })).rejects.toThrow(message)
  judge.behave((_, body) => later(7, body))
  await expect(ask(directory, { concurrency: 1 })).rejects.toThrow(message)
  expect(judge.prompts()).toHaveLength(1)
})

describe("the budget of money", () => {
  const price = { prompt: 3, completion: 12 }
  /** What the stand-in bills for a question: 100 tokens read, 1 written. */
  const bill = costOf({ prompt: 100, completion: 1 }, price)
  const most = Math.max(...questions.map((question) => costOf(mostTokens(question), price)))
  const within = (sum: number) => ({ budget: { requests: 1000, money: { most: sum, price } } })

  test("is never passed: a request is sent only if the most that it may take is left", async () => {
    const directory = newFolder()
    judge.behave(() => undefined)
    const { tokens, unanswered } = await ask(directory, { ...within(5 * bill + most), concurrency: 1 })
    expect(judge.prompts()).toHaveLength(6)
    expect(tokens).toEqual({ prompt: 600, completion: 6 })
    expect(costOf(tokens, price)).toBeLessThanOrEqual(5 * bill + most)
    expect(unanswered).toEqual({ ...NOTHING_MISSING, beyondBudget: 6 })
    expect((await ask(directory, within(1))).answers).toEqual(undisturbed.answers)
  })

  test("nor by several at a time, of which none is billed yet", async () => {
    let underWay = 0
    judge.behave(() => {
      underWay++
      return undefined
    })
    const { tokens } = await ask(newFolder(), { ...within(2 * most), concurrency: 8 })
    expect(costOf(tokens, price)).toBeLessThanOrEqual(2 * most)
    expect(underWay).toBeGreaterThan(0)
  })

  test.each<[string, () => Response, (question: JudgeTokens) => JudgeTokens]>([
    [
      "a request that was found faulty costs nothing",
      () => new HttpResponse(null, { status: 429 }),
      () => ({ prompt: 0, completion: 0 }),
    ],
    ["one that broke down may have cost the most", () => new HttpResponse(null, { status: 500 }), (tokens) => tokens],
    ["and so may half an answer", () => new HttpResponse('{"model":', { status: 200 }), (tokens) => tokens],
  ])("%s", async (_, failure, charged) => {
    judge.behave((request) => (request === 1 ? failure() : undefined))
    const { tokens } = await ask(newFolder(), { concurrency: 1 })
    const extra = charged(mostTokens(questions[0]!))
    expect(tokens).toEqual({ prompt: 1200 + extra.prompt, completion: 12 + extra.completion })
  })

  test("an answer that does not say what it took counts as the most", async () => {
    judge.behave((_, body) => HttpResponse.json(verdictOn(body, { usage: undefined })))
    const { tokens } = await ask(newFolder())
    const sum = (of: (tokens: JudgeTokens) => number) =>
      questions.reduce((total, question) => total + of(mostTokens(question)), 0)
    expect(tokens).toEqual({ prompt: sum(({ prompt }) => prompt), completion: 12 })
  })
})

test("an interrupt ends the work between and within requests; what was answered is kept", async () => {
  const directory = newFolder()
  const stop = new AbortController()
  judge.behave((request) => {
    if (request === 6) stop.abort(new Error("interrupted"))
    return undefined
  })
  await expect(ask(directory, { signal: stop.signal, concurrency: 2 })).rejects.toThrow()
  const kept = linesOf(directory).filter(({ kind }) => kind === "answer").length
  expect(kept).toBeGreaterThanOrEqual(3)
  judge.behave(() => undefined)
  expect((await ask(directory)).answers).toEqual(undisturbed.answers)
  expect(judge.prompts()).toHaveLength(12 - kept)
})

describe("records", () => {
  test("whose last line was cut off by a kill lose that line alone", async () => {
    const directory = newFolder()
    await ask(directory)
    const file = path.join(directory, RECORDS_FILE)
    const whole = readFileSync(file, "utf8")
    const lastAnswer = whole.trimEnd().split("\n").at(-1)!
    writeFileSync(file, whole.slice(0, -20))
    judge.behave(() => undefined)
    expect((await ask(directory)).answers).toEqual(undisturbed.answers)
    expect(judge.prompts()).toHaveLength(lastAnswer.includes('"answer"') ? 1 : 0)
    expect(readFileSync(file, "utf8").startsWith(whole.slice(0, whole.length - lastAnswer.length - 1))).toBe(true)
  })

  test.each([
    '{"kind":"rumour","key":"k","attempt":1}',
    '{"kind":"answer","key":"k"}',
    '{"kind":"answer","key":"k","attempt":1,"tokens":{"prompt":9,"completion":1}}',
    '{"kind":"request","key":"k","attempt":1,"most":{"prompt":9,"completion":null}}',
    '{"kind":"failure","key":"k","attempt":1,"isFinal":false}',
    "null",
    "{",
  ])("with a line that is none are refused: %s", (line) => {
    const directory = newFolder()
    openJudgeRecords(directory, JUDGE).close()
    appendFileSync(path.join(directory, RECORDS_FILE), `${line}\n`)
    expect(() => openJudgeRecords(directory, JUDGE)).toThrow(DamagedRecords)
    expect(() => openJudgeRecords(directory, JUDGE)).toThrow(/records\.jsonl line 1 is no record of a judge; take/)
  })

  test("of another judge answer nothing", async () => {
    const directory = newFolder()
    await ask(directory)
    const records = openJudgeRecords(directory, "judge-2")
    expect(questions.map(({ key }) => records.answerTo(key)).filter((answer) => answer !== undefined)).toEqual([])
    records.close()
  })
})
