// `yohaku judge --calibration`: a judge that people's votes found wanting does not judge, and none passes by another's measure.
import { afterAll, beforeAll, expect, test } from "vitest"
import { JUDGE, JUDGE_URL, wordsOn } from "../../client/judge/judge-stand-in.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { jsonLines } from "../../support/tiny-folder.ts"
import { createJudgedAnswers } from "./judged-answers.ts"

const { workspace, judge, asking, close } = createJudgedAnswers()
afterAll(close)

// Of ten pairs people take the longer answer seven times, and the judge always.
const data = workspace.write(
  "votes.jsonl",
  jsonLines(
    Array.from({ length: 10 }, (_, index) => {
      const [long, short] = ["l".repeat(9 + index), "s".repeat(3 + index)]
      const [chosen, rejected] = index < 3 ? [short, long] : [long, short]
      return { id: `v${index}`, prompt: `Question ${index}`, chosen, rejected }
    }),
  ),
)
const prompt = workspace.write("prompt.txt", "{instruction}|{output_1}|{output_2}")
const measuring = (out: string, ...more: readonly string[]) => [
  ...["judge", "calibrate", "--data", data, "--prompt", prompt, "--judge", JUDGE, "--url", JUDGE_URL],
  ...["--out", workspace.at(out), "--bootstrap", "0", "--skip-canaries", ...more],
]
const measured = workspace.at("measured")
const trusting = (out: string, ...more: readonly string[]) =>
  asking("alpaca-eval-2", out, "--skip-canaries", "--calibration", measured, ...more)

beforeAll(async () => {
  judge.behave(() => undefined)
  const { code, result } = await runYohakuJson(...measuring("measured"))
  expect([code, result.accepted, result.agreement]).toEqual([0, true, expect.closeTo(0.7, 12)])
})

test("a judge above the bar judges, and it is told how far it goes with people", async () => {
  judge.behave(() => undefined)
  const { code, told } = await runYohaku(...trusting("above"))
  expect([code, judge.prompts().length]).toEqual([0, 7])
  expect(told).toMatch(/^judge-1 goes with people at 70\.0 %, by 10 pairs in .*measured\/annotations\.json$/m)
})

test("an Arena-Hard judge is measured and held to the bar by its own protocol", async () => {
  judge.behave((_, body) => Response.json(wordsOn(body)))
  expect((await runYohaku(...measuring("games", "--verdict", "arena-hard-2"))).code).toBe(0)
  const argv = asking("arena-hard-2", "held", "--skip-canaries", "--calibration", workspace.at("games"))
  expect((await runYohaku(...argv)).code).toBe(0)
  expect((await runYohaku(...argv, "--least-agreement", "0.71")).code).toBe(1)
})

test.each<[string, readonly string[], RegExp]>([
  [
    "agreement",
    ["--least-agreement", "0.75"],
    /judge-1: the judge goes with people at 70\.0 %, below the 75\.0 % that are asked for; take another judge/,
  ],
  ["κ", ["--least-kappa", "0.9"], /has a κ of 0\.\d\d, below 0\.9; take another judge/],
  [
    "taste for length",
    ["--most-liking", "0.2"],
    /takes the longer answer 100\.0 % of the times, and people 70\.0 %; take another judge/,
  ],
])("one below the bar in its %s is refused, and nobody is asked", async (_, more, message) => {
  judge.behave(() => undefined)
  const { code, told } = await runYohaku(...trusting("below", ...more))
  expect([code, judge.prompts(), told]).toEqual([1, [], expect.stringMatching(message)])
})

test("one that goes by the place is refused by its flips", async () => {
  judge.behave((_, body) =>
    Response.json(wordsOn({ ...body, messages: [{ role: "user", content: "i|aa|a" }] }, "pairwise")),
  )
  await runYohaku(...measuring("placed", "--verdict", "text"))
  const argv = asking(
    "alpaca-eval-2",
    "x",
    "--skip-canaries",
    "--verdict",
    "text",
    "--calibration",
    workspace.at("placed"),
  )
  const { code, told } = await runYohaku(...argv, "--least-agreement", "0", "--most-flips", "0.3")
  expect([code, told]).toEqual([
    1,
    expect.stringMatching(/goes by the place on 100\.0 % of the pairs; take another judge/),
  ])
})

const byHand = workspace.write(
  "by-hand.json",
  JSON.stringify({ judge: JUDGE, pairs: [{ votes: [1], judged: [1, 1] }] }),
)

test.each<[string, readonly string[], RegExp]>([
  ["another judge's", ["--judge", "judge-2"], /measured is of judge-1, and judge-2 is to judge; measure this one/],
  ["another protocol's", ["--verdict", "text"], /is of verdicts by log-probs, and text is to be asked for/],
  [
    "other parameters'",
    ["--parameters", '{"temperature": 0}'],
    /is of the parameters \{.*"temperature":1.*\}, and \{.*"temperature":0.*\} are to be used/,
  ],
  [
    "another prompt's",
    ["--prompt", workspace.write("other.txt", "{instruction}/{output_1}/{output_2}")],
    /is of another --prompt/,
  ],
  ["a hand's", ["--calibration", byHand], /by-hand\.json does not say how its judge was asked/],
  ["no file", ["--calibration", "nothing"], /--calibration nothing is missing; give a file/],
  ["a bar that is none", ["--most-flips", "2"], /--most-flips 2: give a share from 0 to 1/],
])("%s measure is refused", async (_, more, message) => {
  judge.behave(() => undefined)
  const { code, told } = await runYohaku(...trusting("x", ...more))
  expect([code, judge.prompts(), told]).toEqual([2, [], expect.stringMatching(message)])
})

test.each<[string, readonly string[], RegExp]>([
  [
    "a bar without a measure",
    asking("alpaca-eval-2", "x", "--least-agreement", "0.7"),
    /--suite alpaca-eval-2 does not read --least-agreement/,
  ],
  [
    "a measure of a measure",
    measuring("x", "--calibration", measured),
    /--calibration is not read with --suite calibration/,
  ],
  [
    "a measure of what is counted again",
    ["judge", "recompute", measured, "--calibration", measured],
    /--calibration is not read with judge recompute/,
  ],
  [
    "two suites",
    measuring("x", "--suite", "alpaca-eval-2"),
    /judge calibrate measures a judge, and --suite alpaca-eval-2 counts its verdicts/,
  ],
])("%s is refused", async (_, argv, message) => {
  const { code, told } = await runYohaku(...argv)
  expect([code, told]).toEqual([2, expect.stringMatching(message)])
})
