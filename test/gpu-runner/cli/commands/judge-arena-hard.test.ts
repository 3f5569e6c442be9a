// `yohaku judge` with Arena-Hard's suites: what its report says, for programs and for people, and what it refuses.
import { afterAll, describe, expect, test } from "vitest"
import { type ArenaHardOptions, arenaHardReport } from "#shared/evaluation/arena-hard/report.ts"
import type { Control } from "#shared/evaluation/arena-hard/style-features.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { syntheticGames } from "#test/shared/evaluation/arena-hard/synthetic-games.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const { models, baseline: byName } = syntheticGames("judge")
const questions = [...byName.keys()]
const baseline = new Map(questions.map((question, index) => [`${index}`, byName.get(question)!]))
const judgedOf = (model: string) => models.get(model)!.map((each, index) => ({ ...each, question: `${index}` }))
const fileOf = (model: string) =>
  workspace.write(
    `${model}.json`,
    JSON.stringify({
      model,
      rows: judgedOf(model).map(({ question, verdicts, style }) => ({
        ...{ q: Number(question), g: verdicts.map((verdict) => verdict ?? null), s: style },
      })),
    }),
  )
const [strong, weak] = [fileOf("strong"), fileOf("weak")]
const styles = workspace.write("styles.json", JSON.stringify({ baseline_style: [...baseline.values()] }))

const drawing =
  (seed = 0, rounds = 20) =>
  () => {
    const random = new SeededRandom(seed, "judgements")
    return { rounds, random: () => random.unit() }
  }
const reportOf = (names: readonly string[], options: Partial<ArenaHardOptions> = {}) =>
  arenaHardReport(new Map(names.map((name) => [name, judgedOf(name)])), {
    ...{ version: "0.1", mode: "cluster", resampling: drawing(), ...options },
  })
const controlOf = (of: Control) => ({ control: { of, baseline } })
const V01 = ["--suite", "arena-hard-0.1", "--bootstrap", "20"]
const V2 = ["--suite", "arena-hard-2", "--bootstrap", "20"]
const judged = async (...argv: readonly string[]) => (await runYohakuJson("judge", ...argv)).result

describe("the report", () => {
  test("of one file has its score with an interval of drawn questions, also at equal style", async () => {
    const result = await judged(strong, ...V01)
    expect(result).toEqual(reportOf(["strong"]).get("strong"))
    expect(Object.keys(result).slice(0, 5)).toEqual(["score", "low", "high", "mode", "confidence"])
    expect(result).toMatchObject({ mode: "cluster", confidence: 0.95, control: null })
    const atEqualStyle = await judged(strong, ...V01, "--baseline-style", styles)
    expect(atEqualStyle).toEqual(reportOf(["strong"], controlOf("style")).get("strong"))
    expect(atEqualStyle.win_rate).toBe(result.score)
    expect(atEqualStyle.score).not.toBe(result.score)
  })

  test("of several files is an object by model, fitted together at equal style and each alone without", async () => {
    const names = ["weak", "strong"]
    const both = await judged(weak, strong, ...V01, "--baseline-style", styles)
    expect(both).toEqual(Object.fromEntries(reportOf(names, controlOf("style"))))
    expect(both.weak.style).toEqual(both.strong.style)
    const alone = await judged(strong, ...V01)
    const { difference, ...beside } = (await judged(weak, strong, ...V01)).strong
    expect(beside).toEqual(alone)
    expect(difference.from).toBe("weak")
  })

  test("of several files says how far each is from the first, on the same questions", async () => {
    const { strong: better, weak: first } = await judged(weak, strong, ...V01)
    expect(first.difference).toBeUndefined()
    expect(better.difference.score).toBeCloseTo(better.score - first.score, 12)
    expect(better.difference.low).toBeGreaterThan(0)
    const { printed } = await runYohaku("judge", weak, strong, ...V01)
    const [head, ...lines] = printed.split("\n")
    expect(head).toMatch(/ less weak$/)
    expect(lines[1]).toMatch(/ \+\d+\.\d \(\+\d+\.\d to \+\d+\.\d\)$/)
    const others = judgedOf("strong").map(({ verdicts }, index) => ({
      q: 1000 + index,
      g: verdicts.map((verdict) => verdict ?? null),
    }))
    const apart = workspace.write("apart.json", JSON.stringify({ model: "apart", rows: others }))
    expect((await judged(weak, apart, ...V01)).apart.difference).toBeUndefined()
  })

  test("has v2.0's interval of 90 %, rows where asked, one control where asked, and another seed's draws", async () => {
    const asked = ["--draws", "row", "--control", "length", "--baseline-style", styles, "--seed", "5"]
    const options = { version: "2.0", mode: "row", resampling: drawing(5), ...controlOf("length") } as const
    const expected = reportOf(["weak"], options).get("weak")!
    expect(await judged(weak, ...V2, ...asked)).toEqual(expected)
    expect(Object.keys(expected.style!)).toEqual(["tokens"])
    expect(expected.confidence).toBe(0.9)
    const { low, high, ...without } = await judged(weak, "--suite", "arena-hard-2", "--bootstrap", "0")
    expect([low, high]).toEqual([undefined, undefined])
    expect(without.score).toBe(expected.win_rate)
  })

  test("is a table for people, which warns of games without a verdict", async () => {
    const { code, printed, told } = await runYohaku("judge", strong, weak, ...V2, "--baseline-style", styles)
    const [head, ...lines] = printed.split("\n")
    expect(code).toBe(0)
    expect(head).toMatch(/score at equal style, % +90 % interval +win rate, % +questions +games dropped$/)
    const row = /^(strong|weak) +\d+\.\d\d +\d+\.\d to \d+\.\d +\d+\.\d\d +5\d +\d+$/
    expect(lines.filter((line) => row.test(line))).toHaveLength(2)
    expect(told).toMatch(
      /^warning: strong: games without a verdict that counts: \d+; the score is of the others alone$/m,
    )
  })
})

test.each([
  [
    [strong, ...V01, "--control", "length"],
    2,
    /--control length needs the baseline's styles: give --baseline-style FILE/,
  ],
  [
    [strong, ...V01, "--control", "words", "--baseline-style", styles],
    2,
    /--control words is unknown; use style, length, markdown/,
  ],
  [[strong, ...V01, "--draws", "judges"], 2, /--draws judges is unknown; use cluster, row/],
  [
    [strong, ...V01, "--regularisation", "1"],
    2,
    /--suite arena-hard-0\.1 does not read --regularisation; leave it away/,
  ],
  [[strong, ...V01, "--baseline-style", weak], 1, /weak\.json has no list "baseline_style"/],
  [[styles, ...V01], 1, /styles\.json has no list "rows"/],
  [[strong, strong, ...V01], 1, /are both of the model strong; give one/],
  [[strong, "--suite", "alpaca-eval-2", "--baseline-style", styles], 2, /does not read --baseline-style/],
])("%j is refused", async (argv, code, message) => {
  const run = await runYohaku("judge", ...argv)
  expect(run).toMatchObject({ code, printed: "" })
  expect(run.told).toMatch(message)
  expect(run.told.split("\n")).toHaveLength(1)
})
