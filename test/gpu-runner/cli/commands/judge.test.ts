// `yohaku judge`: what its report says, for programs and for people, and what it refuses.
import { truncateSync, writeFileSync } from "node:fs"
import { afterAll, describe, expect, test } from "vitest"
import { alpacaEvalReport } from "#shared/evaluation/alpaca-eval/report.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { annotationsOf, fileOf, syntheticSet } from "#test/shared/evaluation/alpaca-eval/synthetic-set.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const set = syntheticSet(1)
const rowsOf = (own: typeof set) =>
  annotationsOf(own).map(({ instruction, preference, baselineLength, modelLength }) => ({
    ...{ i: instruction, pref: preference, len1: baselineLength, len2: modelLength },
  }))
const annotations = workspace.write("small.json", JSON.stringify({ model: "small", rows: rowsOf(set) }))
const better = { ...set, preferences: set.preferences.map((preference) => Math.min(2, preference + 0.3)) }
const nameless = workspace.write("better.json", JSON.stringify({ rows: rowsOf(better) }))
const difficulty = workspace.write("difficulty.json", JSON.stringify({ instruction_difficulty: set.difficulties }))
const gamed = workspace.write(
  "gamed.csv",
  [
    "model,index,len_1,len_2,preference_surrogate",
    ...set.gamed.map((row) =>
      [row.gamedModel, row.instruction, row.baselineLength, row.modelLength, row.preference].join(","),
    ),
  ].join("\n"),
)
const SUITE = ["--suite", "alpaca-eval-2"]
const OF_SET = [...SUITE, "--gamed", gamed, "--difficulty", difficulty]
const options = { gamed: set.gamed, difficulties: set.difficulties }

describe("the report of one file", () => {
  test("has the leaderboard's numbers, at the C that is given", async () => {
    const { code, result, told } = await runYohakuJson(
      ...["judge", "--annotations", annotations, ...OF_SET, "--regularisation", "2.78", "--bootstrap", "0"],
    )
    expect([code, told]).toEqual([0, ""])
    expect(result).toEqual(alpacaEvalReport(fileOf(set), { ...options, regularisation: 2.78 }))
    expect(Object.keys(result).slice(0, 10)).toEqual([
      ...["win_rate", "standard_error", "n_wins", "n_wins_base", "n_draws", "n_total", "discrete_win_rate"],
      ...["avg_length", "length_controlled_winrate", "lc_standard_error"],
    ])
  })

  test("chooses C by cross-validation, and draws intervals by the seed", async () => {
    const judged = async (...more: readonly string[]) =>
      (await runYohakuJson("judge", annotations, ...OF_SET, "--bootstrap", "30", ...more)).result
    const random = new SeededRandom(7, "annotations")
    const expected = alpacaEvalReport(fileOf(set), {
      ...options,
      resampling: { rounds: 30, random: () => random.unit() },
    })
    const seeded = await judged("--seed", "7")
    expect(seeded).toEqual(expected)
    expect(seeded.regularisation).toBe(21.54434690031882)
    expect(await judged("--seed", "8")).not.toEqual(expected)
    expect(await judged()).toEqual(await judged("--seed", "0"))
  })

  test("is a table for people, with warnings on stderr", async () => {
    const { code, printed, told } = await runYohaku("judge", annotations, ...SUITE, "--bootstrap", "20")
    const [head, line, ...more] = printed.split("\n")
    expect([code, more]).toEqual([0, []])
    expect(head).toMatch(/win rate, % +95 % interval +length-controlled, % +95 % interval +judged +length +C$/)
    expect(line).toMatch(/^small +25\.92 +\d+\.\d to \d+\.\d +\d\d\.\d\d +\d+\.\d to \d+\.\d +60 +291 +[\d.]+$/)
    expect(told).toMatch(/^warning: small: without --gamed and --difficulty/)
  })

  test("joins by position where told, and takes fewer verdicts where told", async () => {
    const rows = rowsOf(set).filter(({ i }) => i !== 20)
    const gapped = workspace.write("gapped.json", JSON.stringify({ rows }))
    const few = [...OF_SET, "--regularisation", "1", "--bootstrap", "0", "--least-judged", "0.98"]
    const byInstruction = await runYohakuJson("judge", gapped, ...few)
    const byPosition = await runYohakuJson("judge", gapped, ...few, "--by-position")
    expect([byInstruction.result.n_total, byPosition.result.n_total]).toEqual([59, 59])
    expect(byInstruction.result.length_controlled_winrate).not.toBe(byPosition.result.length_controlled_winrate)
    expect(await runYohaku("judge", gapped, ...OF_SET)).toMatchObject({
      code: 1,
      told: expect.stringMatching(/^yohaku judge: \S+gapped\.json holds a preference for 59 of 60 pairs/),
    })
  })
})

describe("several files", () => {
  test("are an object by model, each as if it were alone", async () => {
    const drawn = [...OF_SET, "--bootstrap", "10"]
    const alone = await runYohakuJson("judge", annotations, ...drawn)
    const { result } = await runYohakuJson("judge", "--annotations", nameless, annotations, ...drawn)
    expect(Object.keys(result)).toEqual(["better", "small"])
    expect(result.small).toEqual(alone.result)
  })

  test("are shown with what one model's win rate against the other would be", async () => {
    const { printed } = await runYohaku("judge", annotations, nameless, ...OF_SET, "--bootstrap", "0")
    const lines = printed.split("\n")
    expect(lines[4]).toBe("foreseen win rate of the row's model against the column's, %")
    const shares = lines.slice(6).map((line) => line.split(/ +/).slice(1).map(Number))
    expect([shares[0]![0], shares[1]![1]]).toEqual([50, 50])
    expect(shares[1]![0]).toBeGreaterThan(60)
    expect(shares[1]![0]! + shares[0]![1]!).toBeCloseTo(100, 6)
  })

  test("of one model are refused", async () => {
    expect(await runYohaku("judge", annotations, annotations, ...SUITE, "--bootstrap", "0")).toMatchObject({
      code: 1,
      told: expect.stringMatching(/small\.json and \S+small\.json are both of the model small; give one$/),
    })
  })
})

describe("what is refused", () => {
  test.each([
    [["--suite", "alpaca-eval-2"], 2, /--annotations is missing/],
    [[annotations], 2, /--suite is missing/],
    [[annotations, "--suite", "alpaca"], 2, /--suite alpaca is unknown; use alpaca-eval-2/],
    [["nowhere.json", ...SUITE], 2, /--annotations nowhere\.json is missing; give a file/],
    [[annotations, ...SUITE, "--regularisation", "0"], 2, /--regularisation 0: give a number from 1e-9 to 1e9/],
    [[annotations, ...SUITE, "--regularisation", "strong"], 2, /--regularisation strong: give a number/],
    [[annotations, ...SUITE, "--least-judged", "1.5"], 2, /--least-judged 1\.5: give a share above 0, at most 1/],
    [[annotations, ...SUITE, "--bootstrap", "1.5"], 2, /--bootstrap 1\.5: give a whole number from 0 to 100000/],
    [[annotations, ...SUITE, "--seed", "-1"], 2, /--seed -1: give a whole number/],
    [[annotations, ...SUITE, "--difficulty", "nowhere.json"], 2, /--difficulty nowhere\.json is missing/],
    [[annotations, ...SUITE, "--difficulty", gamed], 1, /gamed\.csv is no JSON in UTF-8/],
    [[annotations, ...SUITE, "--gamed", annotations], 1, /small\.json line 1: a double quote stands inside a cell/],
    [[difficulty, ...SUITE], 1, /difficulty\.json has no list "rows"/],
  ])("%j", async (argv, code, message) => {
    const run = await runYohaku("judge", ...argv)
    expect(run).toMatchObject({ code, printed: "" })
    expect(run.told).toMatch(message)
    expect(run.told.split("\n")).toHaveLength(1)
  })

  test("a file too large to be read whole", async () => {
    const large = workspace.at("large.json")
    writeFileSync(large, "")
    truncateSync(large, 2 ** 28 + 1)
    expect((await runYohaku("judge", large, ...SUITE)).told).toMatch(
      /large\.json has 268435457 bytes; at most 268435456/,
    )
  })
})
