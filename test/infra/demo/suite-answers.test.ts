// What the demo asks of a gateway to have its suite answered, and what it makes of the answer.
import { mkdtempSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest"
import type { LocalGateway } from "#infra/demo/loop/runs.ts"
import { type Adapters, answersToSuite } from "#infra/demo/loop/suite-answers.ts"
import { responsesLine } from "#shared/wire/responses.ts"

const SUITE = [
  { id: "a", setting: "customer-support", lang: "en", prompt: "My toaster?", mentions: [["toaster"]] },
  { id: "b", setting: "manufacturing", lang: "en", prompt: "The press?", mentions: [["press"]] },
]
const suiteFile = path.join(mkdtempSync(path.join(tmpdir(), "yohaku-suite-")), "suite.jsonl")
writeFileSync(suiteFile, SUITE.map((line) => `${JSON.stringify(line)}\n`).join(""))

const [base, alphaDpo, dpo] = [
  { name: "base", version: 2 },
  { name: "demo", version: 5 },
  { name: "demo-dpo", version: 1 },
]
const said = (...texts: readonly string[]): string =>
  texts
    .map((each, index) =>
      responsesLine(SUITE[index]!.id, [{ text: each, tokens: 3, finishReason: "stop", sumLogProb: -1 }]),
    )
    .join("")
const BLOBS: Readonly<Record<string, string>> = {
  "base@2": said("The toaster.", "The press."),
  "demo@5": said("The toaster. Thank you very much for your patience.", "The kettle."),
  "demo-dpo@1": said("The toaster.", "The press. First stop and lock out the power."),
}

/** What was asked, in order: method, path, key of the request, body. */
let asked: unknown[][] = []
/** How the evaluation stands when it is looked at, one after the other. */
let states: object[] = []
let answered: Readonly<Record<string, string>> = BLOBS
let server: Server
let gateway: LocalGateway

const answerTo = (method: string, url: string): string => {
  if (method === "PUT") return JSON.stringify({ created: true })
  if (method === "POST") return JSON.stringify({ evaluationId: "e1", created: true })
  if (url.startsWith("/v1/blobs/")) return answered[decodeURIComponent(url.slice("/v1/blobs/".length))]!
  return JSON.stringify(states.length > 1 ? states.shift() : states[0])
}

beforeAll(async () => {
  server = createServer(async (incoming, answer) => {
    const { method = "", url = "", headers } = incoming
    const body = await text(incoming)
    asked.push([method, url, headers["idempotency-key"], method === "POST" ? JSON.parse(body) : body])
    answer.end(answerTo(method, url))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  gateway = { url, datasetId: "demo", provisioned: {} as never, operatorKey: "yhk_operator" }
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  asked = []
  answered = BLOBS
})

const ended = (judge: object[], ...names: readonly string[]) => ({
  status: "succeeded",
  step: "done",
  detail: {
    generate: { responses: Object.fromEntries(names.map((name) => [name, name])) },
    judge: { winRates: judge },
  },
})
const ask = (adapters: Adapters) =>
  answersToSuite(gateway, { base, adapters, suiteFile, key: "demo-answers-1" }, () => undefined)

it("one evaluation holds every adapter against the base; what the base lost, they won, and the judge is no judge of itself", async () => {
  const verdicts = [
    { against: alphaDpo, wins: 2, losses: 0, ties: 0 },
    { against: dpo, wins: 0, losses: 2, ties: 0 },
  ]
  states = [{ status: "running", step: "judge", detail: {} }, ended(verdicts, "base@2", "demo@5", "demo-dpo@1")]
  const answers = await ask({ alphaDpo, dpo })
  const [put, post] = asked
  const digest = (put![1] as string).slice("/v1/blobs/".length)
  expect(put).toMatchObject([
    "PUT",
    expect.stringMatching(/^\/v1\/blobs\/[0-9a-f]{64}$/),
    undefined,
    expect.any(String),
  ])
  expect(post).toEqual([
    "POST",
    "/v1/models/base/evaluations",
    "demo-answers-1",
    { version: 2, against: [alphaDpo, dpo], prompts: digest, judge: { model: dpo }, answering: { maxTokens: 64 } },
  ])
  expect(answers).toMatchObject({
    ...{ evaluationId: "e1", prompts: 2, maxTokens: 64 },
    toThePoint: { base: 2, alphaDpo: 1, simpo: null, dpo: 2 },
    byRule: {
      alphaDpo: { wins: 1, losses: 1, ties: 0, rate: 0.5 },
      simpo: null,
      dpo: { wins: 1, losses: 0, ties: 1, rate: 0.75 },
    },
    byJudge: {
      judge: "demo-dpo@1",
      alphaDpo: { wins: 0, losses: 2, ties: 0, rate: 0 },
      ...{ simpo: null, dpo: null },
    },
  })
})

it("an adapter without another beside it is not judged, and one is judged by the other that there is", async () => {
  states = [ended([{ against: alphaDpo, wins: 1, losses: 1, ties: 0 }], "base@2", "demo@5")]
  const alone = await ask({ alphaDpo })
  expect(asked[1]![3]).toMatchObject({ judge: { model: alphaDpo } })
  expect(alone.byJudge).toEqual({ judge: "demo@5", alphaDpo: null, simpo: null, dpo: null })
  const simpo = dpo
  states = [ended([{ against: alphaDpo, wins: 0, losses: 1, ties: 1 }], "base@2", "demo@5", "demo-dpo@1")]
  const { byJudge } = await ask({ alphaDpo, simpo })
  expect(byJudge).toMatchObject({ judge: "demo-dpo@1", alphaDpo: { rate: 0.75 }, simpo: null, dpo: null })
})

it("an evaluation that fails ends the demo with its reason, and so do answers to other prompts", async () => {
  states = [{ status: "failed", step: "generate", detail: {}, error: "the runner is too small" }]
  await expect(ask({ alphaDpo })).rejects.toThrow(
    "the evaluation of the answers failed at generate: the runner is too small",
  )
  states = [ended([{ against: alphaDpo, wins: 1, losses: 1, ties: 0 }], "base@2", "demo@5")]
  answered = { ...BLOBS, "demo@5": BLOBS["demo@5"]!.replace('"id":"b"', '"id":"c"') }
  await expect(ask({ alphaDpo })).rejects.toThrow("the answers in blob demo@5 are not those to the suite's prompts")
})
