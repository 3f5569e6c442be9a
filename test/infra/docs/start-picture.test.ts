// The picture of README.md is what the script makes of the committed recording, and the script reads what `npm start` prints today.
import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { type DemoReport, type Outcome, reportText } from "#infra/demo/loop/report.ts"
import { PICTURE, RECORDING, startPicture } from "#infra/docs/start-picture.ts"
import { startFigures } from "#infra/docs/start-recording.ts"

const recording = readFileSync(RECORDING, "utf8")
const picture = readFileSync(PICTURE, "utf8")
const figures = startFigures(recording)

test("the committed picture is what the script makes of the committed recording", () => {
  expect(picture).toBe(startPicture(figures))
})

test("the recording is of the demo as it is documented", () => {
  expect(figures).toEqual({
    events: 657,
    pairs: 642,
    trainPairs: 485,
    heldOutPairs: 157,
    rejected: 10,
    referenceResponses: 1284,
    accuracy: {
      base: { percent: 52.2 },
      dpo: { percent: 59.9, interval: [52.1, 67.2] },
      simpo: { percent: 65.6, interval: [57.9, 72.6] },
      alphaDpo: { percent: 69.4, interval: [61.8, 76.1] },
    },
    promoted: "demo@1",
  })
})

test("each figure is text in the picture, and nothing is fetched by it", () => {
  for (const text of ["657", "642", "1284", "485", "demo@1", "52.2 %", "59.9 %", "65.6 %", "69.4 %"])
    expect(picture).toContain(`>${text}</text>`)
  expect(picture.match(/https?:\/\/[^"]+/g)).toEqual(["http://www.w3.org/2000/svg"])
  expect(picture).not.toMatch(/<script|<image|@import|url\(|href=/)
})

const RATE = { wins: 3, losses: 4, ties: 1, rate: 0.4375, low: 0.16, high: 0.76 }

test("the report of a start is read as it is printed", () => {
  const run = (accuracy: number, accuracyLow: number, accuracyHigh: number) => ({
    detail: {
      snapshot: { trainPairs: 5, heldOutPairs: 4 },
      evaluate: { pairs: 4, accuracy, accuracyLow, accuracyHigh, driftPerToken: 0.25 },
      promote: { gates: [] },
    },
  })
  const report: DemoReport = {
    durationSeconds: 12,
    pairs: { accepted: 9, rejected: 2 },
    reference: { computed: 18, fromCache: 0, sessionsOpened: 1 },
    accuracy: { base: 0.5, alphaDpo: 0.75, simpo: 0.625, dpo: 0.5 },
    answers: {
      ...{ evaluationId: "a", prompts: 8, maxTokens: 64 },
      toThePoint: { base: 6, alphaDpo: 4, simpo: 3, dpo: 5 },
      byRule: { alphaDpo: RATE, simpo: RATE, dpo: RATE },
      byJudge: { judge: "demo-dpo@1", alphaDpo: RATE, simpo: RATE, dpo: null },
    },
    gates: [{ gate: "gain-over-base", passed: true, value: 0.25, limit: 0.02, explanation: "25.0 points better" }],
    promoted: { name: "demo", version: 3, digest: "0123456789abcdef0123" },
    deliveries: { accepted: 9, duplicate: 1, ignored: 1, rejected: 2 },
  }
  const outcome = { alphaDpo: run(0.75, 0.3, 0.95), simpo: run(0.625, 0.2, 0.9), dpo: run(0.5, 0.1, 0.9) }
  const printed = `session 1: delivering 13 labelling events\n${reportText(report, outcome as unknown as Outcome)}`
  for (const line of [
    "  Answers to the suite's 8 prompts, in 64 tokens at most:",
    "    base     to the point in 6",
    "    SimPO    to the point in 3, better than the base's in 43.8 % (95 % interval 16.0 % to 76.0 %)",
    "             and in 43.8 % (95 % interval 16.0 % to 76.0 %) to demo-dpo@1's taste",
    "    passed   gain-over-base: 25.0 points better",
  ])
    expect(printed.split("\n")).toContain(line)
  expect(startFigures(printed)).toEqual({
    events: 13,
    pairs: 9,
    trainPairs: 5,
    heldOutPairs: 4,
    rejected: 2,
    referenceResponses: 18,
    accuracy: {
      base: { percent: 50 },
      dpo: { percent: 50, interval: [10, 90] },
      simpo: { percent: 62.5, interval: [20, 90] },
      alphaDpo: { percent: 75, interval: [30, 95] },
    },
    promoted: "demo@3",
  })
})

test("a recording that lacks a figure is refused by the figure's name", () => {
  const without = (line: RegExp) => recording.replace(line, "")
  expect(() => startFigures(without(/delivering/))).toThrow("the recording does not say how many events were delivered")
  expect(() => startFigures(without(/ +SimPO .*/))).toThrow("the recording does not say the accuracy of SimPO")
  expect(() => startFigures(without(/ +Promoted .*/))).toThrow("the recording does not say what was promoted")
})
