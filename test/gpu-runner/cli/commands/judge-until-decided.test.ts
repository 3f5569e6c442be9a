// `yohaku judge --outputs --until-decided`: a judge is asked no further than the evidence needs, through restarts.
import { readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, describe, expect, test } from "vitest"
import { decideInOrder } from "#shared/evaluation/statistics/betting.ts"
import { JUDGE, JUDGE_URL, startJudge } from "../../client/judge/judge-stand-in.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
const judge = startJudge()
afterAll(() => {
  judge.close()
  workspace.remove()
})

const COUNT = 80
const write = (generator: string, outputOf: (index: number) => string) =>
  workspace.write(
    `${generator}.json`,
    JSON.stringify(
      Array.from({ length: COUNT }, (_, index) => ({ instruction: `Q ${index}`, output: outputOf(index), generator })),
    ),
  )
const baseline = write("old", (index) => "a".repeat(20 + (index % 7)))
// The judge likes what is longer: mostly this, and every fourth time the baseline.
const longer = write("longer", (index) => "b".repeat(index % 4 === 0 ? 14 : 36))
const alike = write("alike", (index) => "c".repeat(20 + (index % 7)))
const prompt = workspace.write("prompt.txt", "{instruction}|{output_1}|{output_2}")

const asking = (outputs: string, out: string, ...more: readonly string[]) => [
  ...["judge", "--suite", "alpaca-eval-2", "--outputs", outputs, "--baseline", baseline, "--prompt", prompt],
  ...["--judge", JUDGE, "--url", JUDGE_URL, "--out", workspace.at(out), "--skip-canaries", ...more],
]
const UNTIL = ["--until-decided", "0.05"]
const annotationsIn = (out: string): readonly { readonly pref: number | null }[] =>
  JSON.parse(readFileSync(path.join(workspace.at(out), "annotations.json"), "utf8")).rows

describe("until it is decided", () => {
  test("a better model is asked about as long as the evidence needs, and one batch at most beyond", async () => {
    judge.behave(() => undefined)
    const { code, result } = await runYohakuJson(...asking(longer, "better", ...UNTIL))
    expect(code).toBe(0)
    expect(result).toMatchObject({ decision: "better", alpha: 0.05, pairs: COUNT })
    expect(result.looked).toBeLessThan(COUNT / 2)
    expect(result.log10_evidence).toBeGreaterThanOrEqual(Math.log10(20))
    expect(judge.prompts().length).toBe(4 * Math.ceil(result.looked / 4))
    expect(annotationsIn("better").filter(({ pref }) => pref !== null)).toHaveLength(judge.prompts().length)
    // The values in their order decide nowhere before.
    const all = await runYohakuJson(...asking(longer, "better", "--bootstrap", "0", "--regularisation", "1"))
    expect(all.result.n_total).toBe(COUNT)
    expect(judge.prompts().length).toBe(COUNT)
  })

  test("started again it asks nobody, and decides the same however many are asked at a time", async () => {
    judge.behave(() => undefined)
    const first = await runYohakuJson(...asking(longer, "again", ...UNTIL))
    judge.behave(() => undefined)
    const again = await runYohakuJson(...asking(longer, "again", ...UNTIL))
    expect([again.result, judge.prompts()]).toEqual([first.result, []])
    const wide = await runYohakuJson(...asking(longer, "wide", ...UNTIL, "--concurrency", "16"))
    expect(wide.result).toEqual(first.result)
  })

  test("a worse model is told, and in words", async () => {
    judge.behave(() => undefined)
    const turned = asking(baseline, "worse", ...UNTIL)
    turned[turned.lastIndexOf(baseline)] = longer
    const { printed } = await runYohaku(...turned)
    expect(printed).toMatch(
      /^the model is worse than the baseline, after \d+ of 80 pairs; win rate \d+\.\d % of those\. Where there is no difference one is found 5 times in 100$/,
    )
  })

  test("where all are alike, all are asked, and no difference is shown, with its bound", async () => {
    judge.behave(() => undefined)
    const { result, code } = await runYohakuJson(...asking(alike, "alike", ...UNTIL))
    expect([code, judge.prompts().length]).toEqual([0, COUNT])
    expect(result).toMatchObject({ decision: null, looked: COUNT, log10_evidence: 0 })
    expect(result.win_rate).toBeCloseTo(50, 9)
    expect([result.low < 50, result.high > 50]).toEqual([true, true])
  })
})

test("the order is drawn: the first answers of a file do not decide", async () => {
  // The first fifteen are lost, the other 65 won.
  const late = write("late", (index) => "d".repeat(index < 15 ? 8 : 40))
  judge.behave(() => undefined)
  const { result } = await runYohakuJson(...asking(late, "late", ...UNTIL))
  expect(result.decision).toBe("better")
  await runYohakuJson(...asking(late, "late", "--bootstrap", "0", "--regularisation", "1"))
  const inFileOrder = annotationsIn("late").map(({ pref }) => pref! - 1)
  expect(decideInOrder(inFileOrder, { alpha: 0.05 }).decision).toBe("below")
})

test("a budget that ends before the evidence stands is exit code 3, and another start goes on", async () => {
  judge.behave(() => undefined)
  const first = await runYohaku(...asking(longer, "short", ...UNTIL, "--max-requests", "3"))
  expect(first).toMatchObject({ code: 3, printed: "" })
  const { result } = await runYohakuJson(...asking(longer, "short", ...UNTIL))
  expect(result.decision).toBe("better")
})

test("a chance that is none, and the option without answers to judge, are refused", async () => {
  const none = await runYohaku(...asking(longer, "none", "--until-decided", "1"))
  expect(none).toMatchObject({
    code: 2,
    told: expect.stringMatching(/--until-decided 1: give a chance above 0, below 1/),
  })
  const { told } = await runYohaku("judge", longer, "--suite", "alpaca-eval-2", ...UNTIL)
  expect(told).toMatch(/--until-decided is read with --outputs only/)
})
