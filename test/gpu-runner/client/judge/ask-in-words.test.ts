// A judge that answers in words, through everything that an endpoint does: no verdict lost, none doubled, no budget passed, whenever it is killed.
import { readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import fc from "fast-check"
import { HttpResponse } from "msw"
import { afterAll, describe, expect, test } from "vitest"
import { type Asking, askUnder, type JudgeBudget } from "#gpu-runner/client/judge/ask-judge.ts"
import { JudgeUnusable } from "#gpu-runner/client/judge/judge-endpoint.ts"
import { openJudgeRecords, RECORDS_FILE } from "#gpu-runner/client/judge/judge-records.ts"
import { costOf, mostTokens } from "#shared/evaluation/judge/judge-cost.ts"
import { followUpTo, judgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { PROTOCOLS } from "#shared/evaluation/judge/protocol.ts"
import { heard } from "#shared/evaluation/judge/verdict-rows.ts"
import { isFullRun } from "#test/full-run.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"
import { JUDGE, JUDGE_URL, said, startJudge, TEMPLATE, wordsOn } from "./judge-stand-in.ts"

const workspace = createWorkspace()
const judge = startJudge()
afterAll(() => {
  judge.close()
  workspace.remove()
})

const protocol = PROTOCOLS["arena-hard-0.1"]
const questions = await Promise.all(
  Array.from({ length: 10 }, (_, index) => {
    const pair = {
      instruction: `Q ${index >> 1}`,
      baseline: "a".repeat(6 + index),
      model: "b".repeat(4 + 3 * (index >> 1)),
    }
    return judgeQuestion(JUDGE, TEMPLATE, pair, protocol.parameters, index % 2 === 1)
  }),
)

let folders = 0
const newFolder = () => workspace.at(`words-${++folders}`)

async function ask(directory: string, more: Partial<Asking> = {}) {
  const records = openJudgeRecords(directory, JUDGE)
  try {
    const unanswered = await askUnder(protocol, questions, {
      endpoint: { url: JUDGE_URL, judge: JUDGE, apiKey: undefined },
      records,
      budget: { requests: 1000 },
      concurrency: 3,
      signal: new AbortController().signal,
      sleep: async () => undefined,
      ...more,
    })
    const labels = questions.map(({ key }) => heard(protocol, key, records).label)
    return { unanswered, labels, requests: records.requests(), tokens: records.tokens() }
  } finally {
    records.close()
  }
}

const inWords: Parameters<typeof judge.behave>[0] = (_, body) => HttpResponse.json(wordsOn(body))
judge.behave(inWords)
const undisturbed = await ask(newFolder())

const linesOf = (directory: string) =>
  readFileSync(path.join(directory, RECORDS_FILE), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))

test("an endpoint without log-probs is asked in words, at temperature 0, and its labels are read", async () => {
  judge.behave(inWords)
  const directory = newFolder()
  const { labels, unanswered } = await ask(directory)
  expect(unanswered).toEqual({ refused: 0, failed: 0, beyondBudget: 0, lastReason: "" })
  expect(labels).toEqual(undisturbed.labels)
  expect(new Set(labels).size).toBeGreaterThan(2)
  for (const { logprobs, temperature, max_tokens } of judge.bodies()) {
    expect({ logprobs, temperature, max_tokens }).toEqual({ logprobs: undefined, temperature: 0, max_tokens: 4096 })
  }
  const [request] = linesOf(directory)
  expect(request).toMatchObject({ kind: "request", parameters: { temperature: 0, max_tokens: 4096 } })
  const answers = linesOf(directory).filter(({ kind }) => kind === "answer")
  expect(answers[0]).toMatchObject({
    finishReason: "stop",
    tokens: { prompt: 100, completion: 8 },
    response: { usage: {} },
  })
})

describe("an answer without a label", () => {
  const hesitant = questions[4]!.body.messages[0]!.content
  const hesitating =
    (then: string | null): typeof inWords =>
    (request, body) => {
      if (body.messages[0]!.content !== hesitant) return inWords(request, body)
      return HttpResponse.json(said(body.messages.length === 1 ? "Let me think." : then))
    }

  test("is followed by one word more, with what was said, and the label is then taken", async () => {
    judge.behave(hesitating("So it is [[B>>A]]."))
    const directory = newFolder()
    const { labels, requests } = await ask(directory)
    expect([labels[4], requests]).toEqual(["B>>A", 11])
    const [more] = judge.bodies().filter(({ messages }) => messages.length > 1)
    expect(more!.messages.slice(1)).toEqual([
      { role: "assistant", content: "Let me think." },
      { role: "user", content: expect.stringMatching(/one of the five labels/) },
    ])
    expect(linesOf(directory).at(-2)).toMatchObject({ kind: "request", after: questions[4]!.key })
  })

  test.each([["Still thinking."], [""], [null]])(
    "again without one (%j) is kept as such, and asked no third time",
    async (then) => {
      judge.behave(hesitating(then))
      const directory = newFolder()
      const first = await ask(directory)
      expect([first.labels[4], first.requests, first.unanswered.failed]).toEqual([undefined, 11, 0])
      judge.behave(inWords)
      const again = await ask(directory)
      expect([again.labels, judge.bodies()]).toEqual([first.labels, []])
    },
  )

  test("whose follow-up the endpoint refuses stays without; the others are not touched", async () => {
    judge.behave((request, body) =>
      body.messages.length > 1
        ? new HttpResponse("no assistant turns here", { status: 400 })
        : request % 2 === 0
          ? HttpResponse.json(said("Hm."))
          : inWords(request, body),
    )
    const directory = newFolder()
    const { unanswered, labels } = await ask(directory, { concurrency: 1 })
    expect(unanswered).toMatchObject({ refused: 5, failed: 0 })
    expect(labels.filter((label) => label === undefined)).toHaveLength(5)
    judge.behave(inWords)
    await ask(directory)
    expect(judge.bodies()).toEqual([])
  })

  test("counts in the budgets: none is sent that they do not hold", async () => {
    judge.behave(() => HttpResponse.json(said("Hm.")))
    const { requests, unanswered } = await ask(newFolder(), { budget: { requests: 13 } })
    expect([requests, judge.bodies().length]).toEqual([13, 13])
    expect(unanswered).toMatchObject({ beyondBudget: 7, failed: 0 })
  })
})

test("a budget in tokens is never passed: a request is sent only if the most that it may take is left", async () => {
  const directory = newFolder()
  judge.behave(inWords)
  const most = Math.max(...questions.map((question) => mostTokens(question).prompt)) + 4096
  // Four answers of 108 tokens, and room for one question more.
  const { tokens, unanswered } = await ask(directory, {
    concurrency: 1,
    budget: { requests: 99, tokens: 4 * 108 + most },
  })
  expect(tokens.prompt + tokens.completion).toBeLessThanOrEqual(4 * 108 + most)
  expect([judge.bodies().length, unanswered.beyondBudget]).toEqual([5, 5])
  expect((await ask(directory)).labels).toEqual(undisturbed.labels)
})

test("an endpoint that answers as another model in the middle ends the work, and nothing that was answered is lost", async () => {
  const directory = newFolder()
  judge.behave((request, body) =>
    request === 6 ? HttpResponse.json({ ...wordsOn(body), model: "other" }) : inWords(request, body),
  )
  await expect(ask(directory, { concurrency: 1 })).rejects.toThrow(JudgeUnusable)
  judge.behave(inWords)
  expect((await ask(directory)).labels).toEqual(undisturbed.labels)
  expect(judge.bodies()).toHaveLength(5)
})

test("an answer without a message passes, and is asked for again", async () => {
  judge.behave((request, body) =>
    request % 2 === 1 ? HttpResponse.json(said("", { choices: [{ finish_reason: "stop" }] })) : inWords(request, body),
  )
  const { labels, requests } = await ask(newFolder(), { concurrency: 1 })
  expect([labels, requests]).toEqual([undisturbed.labels, 20])
})

describe("through any faults, killed anywhere and started again", () => {
  const price = { prompt: 2, completion: 8 }
  const faults: readonly (() => Response)[] = [
    () => new HttpResponse("slow down", { status: 429, headers: { "retry-after": "1" } }),
    () => new HttpResponse("oops", { status: 500 }),
    () => HttpResponse.error(),
    () => new HttpResponse('{"model":"judge-1","choi', { status: 200 }),
    () => HttpResponse.json({ error: { message: "overloaded" } }),
    () => HttpResponse.json(said("Neither.")),
  ]
  const kill = fc.record({
    /** Requests that are served before the kill. */
    after: fc.integer({ min: 0, max: 9 }),
    /** Bytes of the last line that had not reached the disk. */
    torn: fc.integer({ min: 0, max: 60 }),
  })

  test("every question has its one verdict, whatever was paid is counted, and no budget is passed", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(kill, { maxLength: 3 }),
        fc.array(fc.option(fc.nat({ max: faults.length - 1 }), { nil: undefined, freq: 2 }), { maxLength: 40 }),
        async (kills, plan) => {
          const directory = newFolder()
          let served = 0
          const faulty: typeof inWords = (request, body) => {
            const fault = plan[served++]
            return fault === undefined ? inWords(request, body) : faults[fault]!()
          }
          const most = 60 * Math.max(...questions.map((question) => costOf(mostTokens(question), price)))
          const budget: JudgeBudget = { requests: 100, money: { most, price } }
          for (const { after, torn } of kills) {
            const stop = new AbortController()
            judge.behave((request, body) => {
              if (request > after) stop.abort(new Error("killed"))
              return faulty(request, body)
            })
            await ask(directory, { signal: stop.signal, budget }).catch(() => undefined)
            tear(directory, torn)
          }
          judge.behave(faulty)
          let last = await ask(directory, { budget })
          // What failed six times is asked at another start.
          while (last.unanswered.failed > 0 && served < 1000) last = await ask(directory, { budget })
          expect(last.unanswered).toMatchObject({ failed: 0, beyondBudget: 0 })
          const answers = linesOf(directory).filter(({ kind }) => kind === "answer")
          expect(new Set(answers.map(({ key }) => key)).size).toBe(answers.length)
          const hesitations = new Set(
            answers.filter(({ response }) => response.choices[0].message.content === "Neither.").map(({ key }) => key),
          )
          for (const [index, question] of questions.entries()) {
            if (!hesitations.has(question.key)) expect(last.labels[index]).toBe(undisturbed.labels[index])
            else if (last.labels[index] !== undefined) {
              // Its one follow-up was answered.
              const { key } = await followUpTo(question, "Neither.", protocol.goOn!)
              expect(answers.some((answer) => answer.key === key)).toBe(true)
            }
          }
          expect(costOf(last.tokens, price)).toBeLessThanOrEqual(most)
          expect(last.requests).toBeLessThanOrEqual(100)
          judge.behave(inWords)
          expect((await ask(directory, { budget })).labels).toEqual(last.labels)
          expect(judge.bodies()).toEqual([])
        },
      ),
      { numRuns: isFullRun ? 60 : 6 },
    )
  })

  /** As a kill leaves a line whose bytes were not all written. */
  function tear(directory: string, bytes: number) {
    const file = path.join(directory, RECORDS_FILE)
    const text = readFileSync(file, "utf8")
    const last = text.slice(text.slice(0, -1).lastIndexOf("\n") + 1)
    // An answer that is torn off was paid: it is asked once more. Only what was being written is lost.
    writeFileSync(file, text.slice(0, text.length - Math.min(bytes, last.length)))
  }
})
