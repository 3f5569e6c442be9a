// Scores at equal style, beside a slow twin that builds the authors' rows, and beside the twin's mistakes.
import { describe, expect, test } from "vitest"
import {
  type Battles,
  battlesOf,
  type JudgedQuestion,
  type StyleCounts,
} from "#shared/evaluation/arena-hard/battles.ts"
import { type BaselineStyles, styleControlled } from "#shared/evaluation/arena-hard/style-control.ts"
import { CONTROLS, type Control } from "#shared/evaluation/arena-hard/style-features.ts"
import type { Version } from "#shared/evaluation/arena-hard/verdict.ts"
import { TooLittleJudged, UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import { type ArenaMistakes, referenceArenaScores } from "#test/reference/arena-hard.ts"
import { uniformSource } from "#test/reference/random.ts"
import { syntheticGames } from "./synthetic-games.ts"

const { models, baseline } = syntheticGames("style control")
const COLUMNS: Readonly<Record<Control, readonly number[]>> = { style: [0, 1, 2, 3], length: [0], markdown: [1, 2, 3] }
const VERSIONS: readonly Version[] = ["0.1", "2.0"]

const played = (version: Version, of: ReadonlyMap<string, readonly JudgedQuestion[]> = models) =>
  new Map([...of].map(([model, questions]): [string, Battles] => [model, battlesOf(questions, version)]))

const controlled = (version: Version, control: Control, styles: BaselineStyles = baseline, of = models) =>
  styleControlled(played(version, of), styles, { version, control, mode: "cluster", resampling: undefined })

const greatestDifference = (version: Version, control: Control, mistakes: ArenaMistakes) => {
  const { scores } = controlled(version, control)
  const reference = referenceArenaScores(models, baseline, version, COLUMNS[control], mistakes)
  return Math.max(...[...scores].map(([model, { score }]) => Math.abs(score - reference.scores.get(model)!)))
}

describe.each(VERSIONS)("version %s", (version) => {
  test.each(CONTROLS)("scores and coefficients at equal %s are the slow twin's", (control) => {
    const { scores, coefficients } = controlled(version, control)
    const reference = referenceArenaScores(models, baseline, version, COLUMNS[control])
    for (const [model, { score }] of scores) expect(Math.abs(score - reference.scores.get(model)!)).toBeLessThan(1e-7)
    const names = ["tokens", "headers", "lists", "bold"]
    expect(Object.keys(coefficients)).toEqual(COLUMNS[control].map((column) => names[column]))
    Object.values(coefficients).forEach((value, index) => {
      expect(Math.abs(value - reference.coefficients[index]!)).toBeLessThan(1e-8)
    })
  })

  const mistakes: readonly (readonly [string, ArenaMistakes, bound: number])[] = [
    ["a strong verdict counts once", { strongWeight: 1 }, 1],
    ["the second game is read as the first", { forgetsSwap: true }, 5],
    ["ties are dropped", { ties: "dropped" }, 0.05],
    ["ties are won", { ties: "won" }, 1],
    ["a game without a verdict falls otherwise", { dropsOtherwise: true }, 0.02],
    ["another penalty", { ridge: version === "0.1" ? 0 : 1 }, 0.02],
    ["styles of every other row are turned round", { flipsStyle: true }, 1],
    ["differences are not centred", { isNotCentred: true }, 0.5],
    ...(version === "0.1"
      ? ([
          ["rows stand once", { standsOnce: true }, 0.02],
          ["natural ratings", { unit: 1 }, 0.02],
          ["the baseline's own rating is forgotten", { sumsRatings: true }, 0.5],
          ["no one in the sum", { hasNoOne: true }, 0.02],
          ["the deviation of a sample", { ddof: 1 }, 1e-6],
        ] as const)
      : ([
          ["counts for densities", { countsForDensities: true }, 0.1],
          ["no one beside densities", { hasNoOne: true }, 0.1],
        ] as const)),
  ]
  test.each(mistakes)("the mistake “%s” is seen", (_, mistake, bound) => {
    expect(greatestDifference(version, "style", mistake)).toBeGreaterThan(bound)
  })

  test("neither the order of files nor that of questions changes a digit", () => {
    const turned = new Map([...models].reverse().map(([model, questions]) => [model, questions.toReversed()]))
    const drawing = () => ({ rounds: 3, random: uniformSource(5) })
    const scoresOf = (of: ReadonlyMap<string, readonly JudgedQuestion[]>) =>
      styleControlled(played(version, of), baseline, { version, control: "style", mode: "row", resampling: drawing() })
    expect(scoresOf(turned).coefficients).toEqual(scoresOf(models).coefficients)
    expect(Object.fromEntries(scoresOf(turned).scores)).toEqual(Object.fromEntries(scoresOf(models).scores))
  })

  test("a column that is the same in all answers is worth nothing, and changes no score", () => {
    const flat = ([tokens, headers, lists]: StyleCounts): StyleCounts => [tokens, headers, lists, 4]
    const without = new Map(
      [...models].map(([model, questions]) => [
        model,
        questions.map((each) => ({ ...each, style: flat(each.style!) })),
      ]),
    )
    const styles = new Map([...baseline].map(([question, style]) => [question, flat(style)]))
    const reference = referenceArenaScores(without, styles, version, version === "0.1" ? [0, 1, 2] : [0, 1, 2, 3])
    const { scores, coefficients } = controlled(version, "style", styles, without)
    if (version === "0.1") expect(coefficients.bold).toBe(0)
    for (const [model, { score }] of scores) expect(Math.abs(score - reference.scores.get(model)!)).toBeLessThan(1e-6)
  })

  test("a model that loses every game has 0 %, and the others' scores stand", () => {
    const lost = models.get("weak")!.map((each) => ({ ...each, verdicts: ["A>>B", "B>>A"] as const }))
    const { scores } = controlled(version, "length", baseline, new Map([...models, ["weak", lost]]))
    if (version === "2.0") expect(scores.get("weak")!.score).toBeLessThan(1e-6)
    else expect(scores.get("weak")!.score).toBeGreaterThan(1e-6)
    expect(scores.get("strong")!.score).toBeGreaterThan(40)
  })
})

test("in v2.0 the deviation that styles are divided by changes coefficients alone", () => {
  const reference = referenceArenaScores(models, baseline, "2.0", COLUMNS.style, { ddof: 0 })
  const { scores, coefficients } = controlled("2.0", "style")
  for (const [model, { score }] of scores) expect(score).toBeCloseTo(reference.scores.get(model)!, 7)
  expect(Math.abs(coefficients.tokens! - reference.coefficients[0]!)).toBeGreaterThan(1e-4)
})

test("intervals draw questions with the games of all models, and are wider than those of rows", () => {
  const width = (mode: "cluster" | "row") => {
    const resampling = { rounds: 150, random: uniformSource(11) }
    const { scores } = styleControlled(played("2.0"), baseline, { version: "2.0", control: "style", mode, resampling })
    return [...scores.values()].map(({ low, high, score }) => {
      expect(low).toBeLessThan(score)
      expect(high).toBeGreaterThan(score)
      return high! - low!
    })
  }
  const [clusters, rows] = [width("cluster"), width("row")]
  for (const [index, cluster] of clusters.entries()) expect(cluster / rows[index]!).toBeGreaterThan(1.15)
})

test("answers without styles, and questions that the baseline's file does not hold, are refused by name", () => {
  const bare = new Map([["bare", models.get("weak")!.map((each) => ({ ...each, style: undefined }))]])
  expect(() => controlled("0.1", "style", baseline, bare)).toThrow(UnusableJudgements)
  expect(() => controlled("0.1", "style", baseline, bare)).toThrow(/bare has no style counts "s" at question/)
  expect(() => controlled("0.1", "style", new Map())).toThrow(/the baseline's styles do not hold it/)
})

test("few answers whose styles tell every win from every loss have no score in v2.0; draws of few answers are no failure", () => {
  const few = (name: string, questions: number) => {
    const games = syntheticGames(name, questions)
    const resampling = { rounds: 20, random: uniformSource(3) }
    return () =>
      styleControlled(played("2.0", games.models), games.baseline, {
        ...{ version: "2.0", control: "style", mode: "cluster", resampling },
      })
  }
  expect(few("2 0", 2)).toThrow(TooLittleJudged)
  expect(few("8 3", 8)).toThrow(/the styles of so few answers tell every win from every loss/)
  for (const name of ["8 7", "8 9", "8 11"]) {
    for (const { score, low, high } of few(name, 8)().scores.values()) {
      expect(low).toBeGreaterThanOrEqual(0)
      expect(high).toBeLessThanOrEqual(100)
      expect(score).toBeGreaterThan(0)
    }
  }
})
