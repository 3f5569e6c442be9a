// `yohaku judge` with the suite human-anchored.
import { afterAll, expect, test } from "vitest"
import { predictionPoweredMean } from "#shared/evaluation/statistics/prediction-powered.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const labelled = Array.from({ length: 30 }, (_, index) => ({ judge: (index % 10) / 10, human: index % 10 > 4 ? 1 : 0 }))
const alone = Array.from({ length: 300 }, (_, index) => (index % 11) / 11)
const SUITE = ["--suite", "human-anchored"]
const rows = [...labelled, ...alone.map((judge) => ({ judge })), { judge: 0.5, human: null }]
const file = workspace.write("support.json", JSON.stringify({ model: "support", rows }))

test("votes on a part and a judge on all give one win rate, narrower than that of the votes alone", async () => {
  const { mean, low, high, judgeWeight, humanOnly } = predictionPoweredMean(labelled, [...alone, 0.5])
  const { result } = await runYohakuJson("judge", file, ...SUITE)
  expect(result).toEqual({
    ...{
      win_rate: 100 * mean,
      low: 100 * low,
      high: 100 * high,
      judge_weight: judgeWeight,
      n_human: 30,
      n_judged_alone: 301,
    },
    ...{ human_win_rate: 50, human_low: 100 * humanOnly.low, human_high: 100 * humanOnly.high },
  })
  expect((result.high - result.low) / (result.human_high - result.human_low)).toBeLessThan(0.8)
  expect((await runYohaku("judge", file, ...SUITE)).printed.split("\n")[1]).toMatch(
    /^support +\d\d\.\d\d +\d\d\.\d to \d\d\.\d +50\.00 +\d\d\.\d to \d\d\.\d +30 +301 +\d\.\d\d$/,
  )
})

test("two votes say next to nothing: a warning, and no rate outside 0 to 100", async () => {
  const rows = [{ judge: 0.9, human: 1 }, { judge: 0.2, human: 0 }, { judge: 0.7 }]
  const file = workspace.write("two.json", JSON.stringify({ model: "support", rows }))
  const { result, told } = await runYohakuJson("judge", file, ...SUITE)
  expect([result.human_win_rate, result.human_low, result.human_high]).toEqual([50, 0, 100])
  expect([result.low, result.high]).toEqual([0, 100])
  expect(told).toBe("warning: support: people voted on 2 prompts only, which says next to nothing; ask about more")
})

test.each([
  ["no rows", {}, /has no list "rows"/],
  ["a row that is none", { rows: [1] }, /row 1 is no object/],
  ["a judge of 2", { rows: [{ judge: 2 }] }, /row 1: "judge" is 2; give a number from 0/],
  ["a person's words", { rows: [{ judge: 0.5, human: "good" }] }, /row 1: "human" is "good"; give a number/],
  [
    "one vote",
    { rows: [{ judge: 0.5, human: 1 }, { judge: 0.5 }] },
    /people judged 1 of the prompts; an interval needs at least 2/,
  ],
])("%s is refused", async (_, value, message) => {
  const { code, told } = await runYohaku("judge", workspace.write("bad.json", JSON.stringify(value)), ...SUITE)
  expect(code).toBe(1)
  expect(told).toMatch(/^yohaku judge: \S+bad\.json /)
  expect(told).toMatch(message)
})
