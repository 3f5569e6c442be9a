// A judge behind an OpenAI-compatible endpoint, stood in for by msw: it prefers the longer answer, and does what a test tells it to do first.
import { HttpResponse, http } from "msw"
import { setupServer } from "msw/node"
import { type JudgeQuestion, judgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { readPromptTemplate } from "#shared/evaluation/judge/prompt-template.ts"

export const JUDGE_URL = "http://judge.test/v1"
export const JUDGE = "judge-1"
export const TEMPLATE = readPromptTemplate(new TextEncoder().encode("{instruction}|{output_1}|{output_2}"))

export const questionsOf = (count: number): Promise<JudgeQuestion[]> =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      judgeQuestion(JUDGE, TEMPLATE, {
        instruction: `Instruction ${index}`,
        baseline: "a".repeat(5 + (index % 7)),
        model: "b".repeat(4 + (index % 5)),
      }),
    ),
  )

/** A right answer to a request's body. */
export function verdictOn(body: JudgeQuestion["body"], more: object = {}): object {
  const [, first, second] = body.messages.at(-1)!.content.split("|")
  const gap = (first!.length - second!.length) / 4
  const top_logprobs = [
    { token: "m", logprob: -Math.log1p(Math.exp(-gap)) },
    { token: "M", logprob: -Math.log1p(Math.exp(gap)) },
  ]
  return {
    model: `${JUDGE}-2026-01-05`,
    choices: [{ message: { content: "m" }, finish_reason: "length", logprobs: { content: [{ top_logprobs }] } }],
    usage: { prompt_tokens: 100, completion_tokens: 1 },
    ...more,
  }
}

/** A right answer in words: the name that a body without log-probs asks for, of a strong preference from twice the length on. */
export function wordsOn(body: JudgeQuestion["body"], labels: "pairwise" | "five" = "five"): object {
  const [, first, second] = body.messages[0]!.content.split("|")
  const [one, other] = [first!.length, second!.length]
  const name = one > other ? "A" : one < other ? "B" : "C"
  const strength = Math.max(one, other) >= 2 * Math.min(one, other) ? ">>" : ">"
  const label = name === "A" ? `A${strength}B` : name === "B" ? `B${strength}A` : "A=B"
  return said(labels === "five" ? `Both were read. [[${label}]]` : `[[${name}]]`)
}

/** An endpoint's answer that gives no log-probs. */
export function said(text: string | null, more: object = {}): object {
  return {
    model: `${JUDGE}-2026-01-05`,
    choices: [{ message: { role: "assistant", content: text }, finish_reason: "stop", logprobs: null }],
    usage: { prompt_tokens: 100, completion_tokens: 8 },
    ...more,
  }
}

/** What the endpoint does at its n-th request (from 1); undefined: it answers rightly. */
export type Behaviour = (request: number, body: JudgeQuestion["body"]) => Response | undefined

export interface JudgeStandIn {
  readonly close: () => void
  readonly behave: (behaviour: Behaviour) => void
  /** The prompts that were asked since `behave`, one a request. */
  readonly prompts: () => readonly string[]
  readonly keys: () => readonly (string | null)[]
  /** Whole requests since `behave`. */
  readonly bodies: () => readonly JudgeQuestion["body"][]
}

export function startJudge(): JudgeStandIn {
  let behaviour: Behaviour = () => undefined
  let prompts: string[] = []
  let keys: (string | null)[] = []
  let bodies: JudgeQuestion["body"][] = []
  const server = setupServer(
    http.post(`${JUDGE_URL}/chat/completions`, async ({ request }) => {
      const body = (await request.json()) as JudgeQuestion["body"]
      prompts.push(body.messages.at(-1)!.content)
      bodies.push(body)
      keys.push(request.headers.get("authorization"))
      return behaviour(prompts.length, body) ?? HttpResponse.json(verdictOn(body))
    }),
  )
  server.listen({ onUnhandledFrame: "error" })
  return {
    close: () => server.close(),
    behave: (next) => {
      behaviour = next
      prompts = []
      keys = []
      bodies = []
    },
    prompts: () => prompts,
    keys: () => keys,
    bodies: () => bodies,
  }
}

/** An answer that breaks off within its JSON. */
export const cutOff = (): Response =>
  new Response(
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"model":"judge-1","choices":[{"mess'))
        controller.error(new Error("connection reset"))
      },
    }),
    { headers: { "content-type": "application/json" } },
  )
