// A run whose dataset states an evaluation: its candidate is held against production and its base by answers, before it is decided about.
import { beforeEach, expect, it } from "vitest"
import { winEvidence } from "#shared/evaluation/judge/win-evidence.ts"
import { answerNext, type Prompt, putSuite } from "./answers.ts"
import { complete, LEARNED, leaseAny, leaseNext, makeAdapter, work } from "./test-runner.ts"
import {
  addPairs,
  bindings,
  DATASET,
  finished,
  getRun,
  orchestrator,
  startWorld,
  triggerOnce,
  until,
  valueIn,
} from "./world.ts"

const PROMPTS: Prompt[] = Array.from({ length: 8 }, (_, index) => ({ id: `p${index}`, prompt: `Question ${index}` }))
const JUDGE = { model: { name: "judge", version: 1 }, beta: 0.1 }

const stateEvaluation = async (prompts: string) =>
  bindings.DB.prepare("UPDATE datasets SET evaluation = ? WHERE id = ?")
    .bind(JSON.stringify({ prompts, judge: JUDGE, answering: { maxTokens: 16 } }), DATASET)
    .run()

const addJudge = async () => {
  const files = await makeAdapter({ chosen: 0, rejected: 0 }, "the judge")
  const version = { name: "judge", kind: "adapter", files, base: { name: "tiny", version: 1 }, metrics: {} } as const
  valueIn(await bindings.REGISTRY.getByName("judge").register(version))
}

beforeEach(async () => {
  await startWorld()
  await addJudge()
  await stateEvaluation(await putSuite(PROMPTS))
  const gates = { rules: [{ measurement: "win-rate", atLeast: 0.5, bound: "low" }] }
  await bindings.DB.prepare("UPDATE datasets SET gates = ?").bind(JSON.stringify(gates)).run()
  await addPairs(0, 80)
})

/** The candidate shouts on all prompts but one, production on none, and the base on one. */
const says = (name: string, _: Prompt, index: number): string =>
  (name === "candidate" && index > 0) || (name === "tiny@1" && index === 0) ? "so!" : "so"

it("answers and judges before it promotes, and its win rate is among what the run shows", async () => {
  const runId = await triggerOnce("first")
  await work(2)
  await until(
    () => getRun(runId),
    ({ step, standing }) => step === "compare" && standing !== undefined,
  )
  const jobs = [await answerNext(says), await answerNext(says)]
  expect(jobs.map(({ jobId }) => jobId)).toEqual([`${runId}-against-base-generate-0`, `${runId}-against-base-judge`])
  const { status, detail } = await finished(runId)
  expect([status, detail.promote!.promoted]).toEqual(["succeeded", true])
  const { winRate, winRateOverBase, answers, winRateUnmeasured } = detail.evaluate!
  expect(winRate).toMatchObject({ against: { name: "tiny", version: 1 }, wins: 7, losses: 1, ties: 0, rate: 7 / 8 })
  const verdicts = PROMPTS.map((_, index) => Number(index > 0))
  expect(winRate!.evidence).toEqual(winEvidence(verdicts, Array(8).fill("[]")))
  expect(detail.promote!.gates[1]).toMatchObject({ gate: "win-rate", passed: true, value: winRate!.low, bound: "low" })
  expect(detail.promote!.gates[1]!.explanation).toMatch(
    /^its answers won 87\.5 % against those of tiny@1 \(7 won, 0 tied, 1 lost\) \(95 % interval/,
  )
  expect([winRateOverBase, winRateUnmeasured]).toEqual([undefined, undefined])
  expect(Object.keys(answers!.responses)).toEqual(["candidate", "tiny@1"])
  expect(detail.evaluate!.accuracy).toBeGreaterThan(0.5)
})

it("is held against what production serves, and against the base besides", async () => {
  const first = await triggerOnce("first")
  await work(2)
  for (let job = 0; job < 2; job++) await answerNext(says)
  await finished(first)
  await addPairs(80, 120)
  const second = await triggerOnce("second")
  await work(2, { chosen: 0.5, rejected: -1.2 })
  // Production is measured on this run's pack too.
  await work(1)
  const [generating] = [await answerNext(says), await answerNext(says)]
  if (generating!.spec.kind !== "generate") throw new Error("no generate job")
  expect(generating!.spec.voices.map(({ name }) => name)).toEqual(["candidate", `${DATASET}@1`, "tiny@1"])
  const { winRate, winRateOverBase } = (await finished(second)).detail.evaluate!
  expect(winRate).toMatchObject({ against: { name: DATASET, version: 1 }, wins: 7, losses: 0, ties: 1 })
  expect(winRateOverBase).toMatchObject({ against: { name: "tiny", version: 1 }, wins: 7, losses: 1 })
})

it("ends all the same where answers cannot be had; the gate that asks for the win rate is closed, and says why", async () => {
  const runId = await triggerOnce("first")
  await work(2)
  const { jobId, fencingToken } = await leaseAny()
  valueIn(await orchestrator.fail({ jobId, fencingToken, error: "no memory for it", retryable: false }))
  const { status, detail } = await finished(runId)
  expect([status, detail.evaluate!.winRate, detail.evaluate!.winRateUnmeasured]).toEqual([
    "succeeded",
    undefined,
    "against-base-generate-0: no memory for it",
  ])
  expect(detail.promote!.promoted).toBe(false)
  expect(detail.promote!.gates[1]!.explanation).toBe(
    "win-rate could not be measured: against-base-generate-0: no memory for it",
  )
})

it("is not begun where the dataset's evaluation cannot be used", async () => {
  await stateEvaluation("0".repeat(64))
  const refused = await orchestrator.trigger({ datasetId: DATASET, trigger: "api", key: "first" })
  expect(refused).toMatchObject({
    error: { _tag: "Invalid", message: expect.stringMatching(/^the dataset's evaluation: prompts: blob 0{64} is not/) },
  })
})

it("with another evaluation is another run, while the first is under way", async () => {
  const first = await triggerOnce("first")
  const job = await leaseNext()
  expect(await triggerOnce("same")).toBe(first)
  await stateEvaluation(await putSuite(PROMPTS.slice(1)))
  expect(await triggerOnce("other")).not.toBe(first)
  await complete(job, LEARNED)
  await until(
    async () => (await bindings.WORKFLOW_RUN.getByName(first).status())!.activities.length,
    (count) => count > 4,
  )
})
