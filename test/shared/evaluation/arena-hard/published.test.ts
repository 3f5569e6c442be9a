// Arena-Hard's published numbers, from the verdicts they were made of (an Apache-2.0 fork of the suite), and the exact fits of the same verdicts. The folder
// is named by YOHAKU_EVAL_FIXTURES; without it these tests are skipped, by name.
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, test } from "vitest"
import { readBaselineStyles, readJudgementFile } from "#shared/evaluation/arena-hard/judgement-file.ts"
import { type ArenaHardOptions, arenaHardReport } from "#shared/evaluation/arena-hard/report.ts"
import type { Control } from "#shared/evaluation/arena-hard/style-features.ts"
import type { Version } from "#shared/evaluation/arena-hard/verdict.ts"
import { uniformSource } from "#test/reference/random.ts"
import { evalFixtures } from "../eval-fixtures.ts"

interface Expected {
  readonly subset: readonly string[]
  readonly models: Readonly<
    Record<
      string,
      {
        readonly published_no_control: number
        readonly exact_weighted_winrate: number
        readonly total_weight: number
        readonly published_controls_full_board: Readonly<Record<string, number>>
        readonly reference_controls_subset_exact: Readonly<Record<string, number>>
      }
    >
  >
  readonly reference_style_coefs_subset: Readonly<Record<string, readonly number[]>>
  readonly reference_v2_style_exact: Readonly<Record<string, number>>
  readonly reference_v2_style_coefs: readonly number[]
}

const bytesOf = (name: string) => readFileSync(path.join(evalFixtures.folder, name))
const expected = (): Expected => JSON.parse(bytesOf("public/expected_arena.json").toString())
const modelsOf = (version: Version) =>
  new Map(
    readdirSync(path.join(evalFixtures.folder, "public/arena")).map((name) => {
      const { model, questions } = readJudgementFile(bytesOf(`public/arena/${name}`), version)
      return [model!, questions] as const
    }),
  )
const reportOf = (version: Version, options: Partial<ArenaHardOptions> = {}) =>
  arenaHardReport(modelsOf(version), { version, mode: "cluster", resampling: undefined, ...options })
const controlled = (version: Version, of: Control) =>
  reportOf(version, { control: { of, baseline: readBaselineStyles(bytesOf("shared/arena_baseline.json")) } })

describe.skipIf(!evalFixtures.isThere)(`published numbers of Arena-Hard (${evalFixtures.name})`, () => {
  test("scores without control, 1e-6 from the exact share and 0.00501 from the published", () => {
    const { models, subset } = expected()
    const report = reportOf("0.1")
    expect([...report.keys()].sort()).toEqual([...subset].sort())
    for (const [model, { score, n_games_weighted, n_questions }] of report) {
      const { exact_weighted_winrate: exact, published_no_control: published, total_weight } = models[model]!
      expect(Math.abs(score - exact)).toBeLessThan(1e-6)
      expect(Math.abs(score - published)).toBeLessThan(0.00501)
      expect([n_games_weighted, n_questions]).toEqual([total_weight, 500])
    }
  })

  test.each(["style", "length", "markdown"] as const)(
    "v0.1 at equal %s, all files fitted together, 1e-6",
    (control) => {
      const { models, reference_style_coefs_subset: coefficients } = expected()
      for (const [model, { score, style }] of controlled("0.1", control)) {
        const key = `${control}_control`
        expect(Math.abs(score - models[model]!.reference_controls_subset_exact[key]!)).toBeLessThan(1e-6)
        Object.values(style!).forEach((value, index) => {
          expect(Math.abs(value - coefficients[key]![index]!)).toBeLessThan(1e-6)
        })
      }
    },
  )

  test("v2.0 at equal style, the maximum of the likelihood, 1e-6", () => {
    const { reference_v2_style_exact: exact, reference_v2_style_coefs: coefficients } = expected()
    for (const [model, { score, style }] of controlled("2.0", "style")) {
      expect(Math.abs(score - exact[model]!)).toBeLessThan(1e-6)
      Object.values(style!).forEach((value, index) => {
        expect(Math.abs(value - coefficients[index]!)).toBeLessThan(1e-6)
      })
    }
  })

  test("draws of questions span 1.4 to 2.1 times what draws of rows span, and those what the rows' deviation says, 15 %", () => {
    const resampling = () => ({ rounds: 1000, random: uniformSource(7) })
    const clusters = reportOf("0.1", { resampling })
    const rows = reportOf("0.1", { resampling, mode: "row" })
    for (const [model, { score, low, high, n_games_weighted: weight }] of rows) {
      const cluster = clusters.get(model)!
      const ratio = (cluster.high! - cluster.low!) / (high! - low!)
      expect(ratio).toBeGreaterThan(1.4)
      expect(ratio).toBeLessThan(2.1)
      // Between all ties and none: the binomial deviation is the greatest that a share of rows can have.
      const binomial = 2 * 1.96 * Math.sqrt((score * (100 - score)) / weight)
      expect((high! - low!) / binomial).toBeGreaterThan(0.85)
      expect((high! - low!) / binomial).toBeLessThan(1.15)
      expect([cluster.mode, cluster.confidence]).toEqual(["cluster", 0.95])
    }
  })
})
