import { describe, expect, test } from "vitest"
import { lengthControlled } from "#shared/evaluation/alpaca-eval/length-controlled.ts"
import { rawWinRate } from "#shared/evaluation/alpaca-eval/raw-win-rate.ts"
import { winRateIntervals } from "#shared/evaluation/alpaca-eval/refit-bootstrap.ts"
import { alpacaEvalReport } from "#shared/evaluation/alpaca-eval/report.ts"
import { TooLittleJudged, UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import { seededRandom } from "#test/reference/random-decoder.ts"
import { annotationsOf, fileOf, syntheticSet } from "./synthetic-set.ts"

const set = syntheticSet(1)
const file = fileOf(set)
const annotations = annotationsOf(set)
const options = { gamed: set.gamed, difficulties: set.difficulties, regularisation: 2.782559402207126 }

describe("a report", () => {
  test("has the leaderboard's names, and what the numbers rest on", () => {
    const raw = rawWinRate(annotations)
    const controlled = lengthControlled({ ...set, annotations }, options.regularisation)
    expect(alpacaEvalReport(file, options)).toEqual({
      win_rate: raw.winRate,
      standard_error: raw.standardError,
      n_wins: raw.wins,
      n_wins_base: raw.baselineWins,
      n_draws: raw.draws,
      n_total: 60,
      discrete_win_rate: raw.discreteWinRate,
      avg_length: raw.averageLength,
      length_controlled_winrate: controlled.winRate,
      lc_standard_error: controlled.standardError,
      regularisation: options.regularisation,
      weights: controlled.weights,
      warnings: [],
    })
  })

  test("has intervals where they are asked for", () => {
    const report = alpacaEvalReport(file, { ...options, resampling: { rounds: 20, random: seededRandom(2) } })
    const data = { ...set, annotations }
    const intervals = winRateIntervals(data, lengthControlled(data, options.regularisation), {
      rounds: 20,
      random: seededRandom(2),
    })
    expect(report.win_rate_interval).toEqual(intervals.raw)
    expect(report.length_controlled_winrate_interval).toEqual(intervals.lengthControlled)
  })

  test("says the C that cross-validation chose, and none for the baseline against itself", () => {
    expect(alpacaEvalReport(file, { ...options, regularisation: undefined }).regularisation).toBe(21.54434690031882)
    const itself = annotations.map((pair) => ({ ...pair, preference: 1.5, modelLength: pair.baselineLength }))
    expect(alpacaEvalReport({ ...file, annotations: itself }, options)).toMatchObject({
      regularisation: null,
      length_controlled_winrate: 50,
      lc_standard_error: 0,
      warnings: [],
    })
  })
})

describe("verdicts too few to control length", () => {
  const few = (preferenceOf: (index: number) => number) => ({
    ...file,
    annotations: Array.from({ length: 20 }, (_, index) => ({
      ...{ instruction: index, preference: preferenceOf(index) },
      ...{ modelLength: 100 + ((index * 37) % 90), baselineLength: 120 + ((index * 53) % 70) },
    })),
  })
  const mixed = few((index) => (index % 5 < 3 ? 1.9 : 1.3))
  const own = { gamed: [], difficulties: undefined }
  const sentence = "too few verdicts to control length; take the raw rate"

  test.each([
    ["hold every weight at 0", mixed, 66],
    ["are all alike, so that every draw gives one rate", few(() => 1.9), 90],
  ])("%s: the raw rate alone, and why", (_, given, raw) => {
    const report = alpacaEvalReport(given, { ...own, resampling: { rounds: 20, random: seededRandom(3) } })
    expect(report.win_rate).toBeCloseTo(raw, 9)
    expect(report.win_rate_interval).toHaveLength(2)
    expect(Object.keys(report).filter((key) => /length_controlled|lc_|regularisation|weights/.test(key))).toEqual([])
    expect(report.warnings).toContain(sentence)
  })

  test("a C that is given is taken as told, without an interval of no width, and warned of", () => {
    const resampling = { rounds: 20, random: seededRandom(3) }
    const report = alpacaEvalReport(mixed, { ...own, regularisation: 1e-4, resampling })
    expect(report).toMatchObject({ length_controlled_winrate: 50, regularisation: 1e-4 })
    expect(report).not.toHaveProperty("length_controlled_winrate_interval")
    expect(report.warnings.slice(0, 2)).toEqual([
      expect.stringMatching(/^the fit at the given C of 0\.0001 holds every weight at 0, .* larger --regularisation/),
      expect.stringMatching(/^length control moved the win rate from 66\.0 to 50\.0 %/),
    ])
  })
})

describe("difficulties", () => {
  const gapped = { ...file, annotations: annotations.filter(({ instruction }) => instruction !== 20) }
  const few = { ...options, leastJudged: 0.9 }

  test("are joined by instruction, whatever the rows' order", () => {
    const { weights } = alpacaEvalReport(file, options)
    const turned = alpacaEvalReport({ ...file, annotations: annotations.toReversed() }, options).weights
    expect(turned!.model).toBeCloseTo(weights!.model, 9)
    expect(turned!.difficulty).toBeCloseTo(weights!.difficulty, 9)
  })

  test("by position, rows behind a gap have their neighbour's: another number", () => {
    const byInstruction = alpacaEvalReport(gapped, few)
    const byPosition = alpacaEvalReport(gapped, { ...few, joinsByPosition: true })
    const shifted = gapped.annotations.map((pair, instruction) => ({ ...pair, instruction }))
    expect(byPosition).toEqual(alpacaEvalReport({ ...gapped, annotations: shifted }, few))
    expect(byInstruction.length_controlled_winrate_by_position).toBe(byPosition.length_controlled_winrate)
    expect(byInstruction.warnings).toEqual([
      `the rows are not all instructions in their order: difficulties are joined by instruction; alpaca_eval joins them by position, and says ${byPosition.length_controlled_winrate!.toFixed(2)} % (--by-position)`,
    ])
    expect(byPosition).not.toHaveProperty("length_controlled_winrate_by_position")
    expect(byPosition.warnings).toEqual([])
    expect(alpacaEvalReport(gapped, { ...few, difficulties: undefined })).not.toHaveProperty(
      "length_controlled_winrate_by_position",
    )
    expect(Math.abs(byPosition.length_controlled_winrate! - byInstruction.length_controlled_winrate!)).toBeGreaterThan(
      0.5,
    )
    expect(byPosition.win_rate).toBe(byInstruction.win_rate)
  })

  test("of rows that do not say their instruction are joined only where there are as many", () => {
    const unnamed = { ...file, namesInstructions: false }
    expect(alpacaEvalReport(unnamed, options)).toEqual(alpacaEvalReport(file, options))
    const fewer = { ...gapped, namesInstructions: false }
    expect(() => alpacaEvalReport(fewer, few)).toThrow(UnusableJudgements)
    expect(() => alpacaEvalReport(fewer, few)).toThrow(
      /^has 59 rows that do not say by "i" which of the 60 instructions theirs is; .* leave --difficulty away/,
    )
  })

  test("of another set's instructions are refused", () => {
    const foreign = { ...file, annotations: [{ ...annotations[0]!, instruction: 60 }, ...annotations.slice(1)] }
    expect(() => alpacaEvalReport(foreign, options)).toThrow(UnusableJudgements)
    expect(() => alpacaEvalReport(foreign, options)).toThrow(
      /^names instruction 60, and there are difficulties for 60; leave --difficulty away/,
    )
  })
})

describe("too few verdicts are refused", () => {
  const withoutVerdicts = (count: number) => ({
    ...file,
    annotations: annotations.map((pair, index) => (index < count ? { ...pair, preference: undefined } : pair)),
  })

  test("below 99 % of the pairs, or the share that is told", () => {
    const one = withoutVerdicts(1)
    expect(() => alpacaEvalReport(one, options)).toThrow(TooLittleJudged)
    expect(() => alpacaEvalReport(one, options)).toThrow(
      /^holds a preference for 59 of 60 pairs of answers, fewer than 99 %; .* --least-judged/,
    )
    expect(alpacaEvalReport(one, { ...options, leastJudged: 59 / 60 })).toMatchObject({ n_total: 59 })
  })

  test("also where the rows are missing, by the number of difficulties", () => {
    const missing = { ...file, annotations: annotations.slice(1) }
    expect(() => alpacaEvalReport(missing, options)).toThrow(/^holds a preference for 59 of 60 pairs/)
    expect(alpacaEvalReport(missing, { ...options, difficulties: undefined })).toMatchObject({ n_total: 59 })
  })

  test("where there are none at all, whatever share is told", () => {
    expect(() => alpacaEvalReport(withoutVerdicts(60), { ...options, leastJudged: 0.001 })).toThrow(TooLittleJudged)
  })
})

describe("warnings", () => {
  test("of a win rate that length control moved far", () => {
    // The judge takes the longer answer, and the model's are short: at equal length they would hardly lose.
    const lengthOnly = annotations.map((pair, index) => ({
      ...pair,
      modelLength: pair.baselineLength - (index % 6 === 0 ? -40 : 80 + index),
      preference: index % 6 === 0 ? 1.95 : 1.05,
    }))
    const { warnings, win_rate: raw } = alpacaEvalReport({ ...file, annotations: lengthOnly }, options)
    expect(raw).toBeCloseTo(20, 9)
    expect(warnings).toEqual([
      expect.stringMatching(
        /^length control moved the win rate from 20\.0 to \d\d\.\d %: look whether judge and baseline/,
      ),
    ])
  })

  test("of answers that are all as long as each other", () => {
    const constant = annotations.map((pair) => ({ ...pair, modelLength: 30 }))
    const { warnings } = alpacaEvalReport({ ...file, annotations: constant }, options)
    expect(warnings.at(-1)).toMatch(
      /^all answers of the model have 30 characters: one constant answer that talks to the judge/,
    )
  })

  test("of instructions of one's own, for which nothing anchors what length is worth", () => {
    const { warnings } = alpacaEvalReport(file, { ...options, gamed: [], difficulties: undefined })
    expect(warnings.at(-1)).toMatch(/^without --gamed and --difficulty .* look at the raw win rate too$/)
  })
})
