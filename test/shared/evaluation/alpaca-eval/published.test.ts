// AlpacaEval 2's published numbers, from the judgements they were made of. Those are not ours to give on (CC BY-NC): a folder of them is named by
// YOHAKU_EVAL_FIXTURES, and without it these tests are skipped, by name.
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, test } from "vitest"
import { preferenceOf } from "#shared/evaluation/alpaca-eval/annotation.ts"
import { readAnnotationFile } from "#shared/evaluation/alpaca-eval/annotation-file.ts"
import { foreseen } from "#shared/evaluation/alpaca-eval/length-controlled.ts"
import { lengthRows } from "#shared/evaluation/alpaca-eval/length-rows.ts"
import { alpacaEvalReport } from "#shared/evaluation/alpaca-eval/report.ts"
import { readDifficulties, readGamedRows } from "#shared/evaluation/alpaca-eval/set-files.ts"
import { type Mistakes, referenceLengthControlled } from "#test/reference/alpaca-eval.ts"
import { evalFixtures } from "../eval-fixtures.ts"

interface Expected {
  readonly published: Readonly<Record<string, number | null>>
  readonly C_published?: number
  readonly reference_exact_at_C?: { readonly lc: number; readonly lc_se: number; readonly weights: readonly number[] }
  readonly reference_cv_mod5?: { readonly C: number; readonly lc: number }
  readonly reference_variants?: Readonly<Record<"noreg" | "minimal", { readonly C: number; readonly lc: number }>>
}

const MODELS = [
  "FuseChat-Llama-3.1-8B-Instruct",
  "alpaca-7b",
  "claude-2.1",
  "gpt-3.5-turbo-1106",
  "gpt4_1106_preview",
  "phi-2",
  "vicuna-13b-v1.5",
  "wizardlm-13b",
] as const

const bytesOf = (name: string) => readFileSync(path.join(evalFixtures.folder, name))
const jsonOf = (name: string) => JSON.parse(bytesOf(name).toString())
const expectedOf = (model: string): Expected => jsonOf("public/expected_alpaca.json")[model]
const rawFile = (model: string) => jsonOf(`public/alpaca/${model}.json`)
const fileOf = (model: string) => readAnnotationFile(bytesOf(`public/alpaca/${model}.json`))
const difficulties = () => readDifficulties(bytesOf("shared/instruction_difficulty.json"))
const gamed = () => readGamedRows(bytesOf("shared/gamed_baselines.csv"))
/** alpaca_eval joined by position; one model's rows have a gap. */
const report = (model: string, regularisation?: number) =>
  alpacaEvalReport(fileOf(model), {
    gamed: gamed(),
    difficulties: difficulties(),
    regularisation,
    joinsByPosition: true,
  })

describe.skipIf(!evalFixtures.isThere)(`published numbers of AlpacaEval 2 (${evalFixtures.name})`, () => {
  test("the files are those of the models named here", () => {
    expect(Object.keys(jsonOf("public/expected_alpaca.json")).sort()).toEqual([...MODELS].sort())
    for (const model of MODELS)
      expect(existsSync(path.join(evalFixtures.folder, `public/alpaca/${model}.json`))).toBe(true)
  })

  test("preferences from log-probs, 1e-9 a row", () => {
    let rows = 0
    for (const model of MODELS) {
      for (const { pref, lp_m, lp_M, swapped } of rawFile(model).rows) {
        const [first, second] = [lp_m ?? undefined, lp_M ?? undefined]
        if (first === undefined && second === undefined) continue
        expect(Math.abs(preferenceOf({ first, second, isSwapped: swapped })! - pref)).toBeLessThan(1e-9)
        rows++
      }
    }
    expect(rows).toBeGreaterThan(4000)
  })

  test.each(MODELS)(
    "%s: win rate, error, counts 1e-6; LC at the published C 0.02 and 0.002 of the minimum",
    (model) => {
      const { published, C_published: regularisation, reference_exact_at_C: exact } = expectedOf(model)
      const computed = report(model, regularisation)
      for (const key of ["win_rate", "standard_error", "discrete_win_rate"] as const) {
        expect(Math.abs(computed[key] - published[key]!)).toBeLessThan(1e-6)
      }
      for (const key of ["n_wins", "n_wins_base", "n_draws", "n_total"] as const)
        expect(computed[key]).toBe(published[key])
      // Of rows that are not in the file the length counts too.
      expect(Math.abs(computed.avg_length - published.avg_length!)).toBeLessThanOrEqual(model === "phi-2" ? 2 : 0)
      expect(Math.abs(computed.length_controlled_winrate! - published.length_controlled_winrate!)).toBeLessThan(0.02)
      if (published.lc_standard_error !== null) {
        expect(Math.abs(computed.lc_standard_error! - published.lc_standard_error!)).toBeLessThan(0.01)
      }
      if (exact === undefined) return expect(model).toBe("gpt4_1106_preview")
      expect(Math.abs(computed.length_controlled_winrate! - exact.lc)).toBeLessThan(1e-6)
      expect(Math.abs(computed.lc_standard_error! - exact.lc_se)).toBeLessThan(1e-6)
      const { length, difficulty, model: own } = computed.weights!
      for (const [index, weight] of [length, difficulty, own].entries())
        expect(weight).toBeCloseTo(exact.weights[index]!, 6)
    },
  )

  test.each(MODELS)("%s: LC at the C of one's own cross-validation, 0.15", (model) => {
    const { published, reference_cv_mod5: reference } = expectedOf(model)
    const computed = report(model)
    expect(Math.abs(computed.length_controlled_winrate! - published.length_controlled_winrate!)).toBeLessThan(0.15)
    if (reference === undefined) return expect(computed.regularisation).toBeNull()
    expect(computed.regularisation).toBeCloseTo(reference.C, 9)
    expect(Math.abs(computed.length_controlled_winrate! - reference.lc)).toBeLessThan(1e-6)
  })

  test.each(MODELS)("%s: without gamed rows, and without difficulties too", (model) => {
    const { reference_variants: variants } = expectedOf(model)
    if (variants === undefined) return expect(model).toBe("gpt4_1106_preview")
    const common = { gamed: [], joinsByPosition: true }
    const noreg = alpacaEvalReport(fileOf(model), {
      ...common,
      difficulties: difficulties(),
      regularisation: variants.noreg.C,
    })
    const minimal = alpacaEvalReport(fileOf(model), {
      ...common,
      difficulties: undefined,
      regularisation: variants.minimal.C,
    })
    expect(Math.abs(noreg.length_controlled_winrate! - variants.noreg.lc)).toBeLessThan(1e-6)
    expect(Math.abs(minimal.length_controlled_winrate! - variants.minimal.lc)).toBeLessThan(1e-6)
  })

  test("joined by instruction, the model with a gap has 3.89 in place of the published 4.40", () => {
    const { C_published: regularisation } = expectedOf("phi-2")
    const computed = alpacaEvalReport(fileOf("phi-2"), { gamed: gamed(), difficulties: difficulties(), regularisation })
    expect(computed.length_controlled_winrate).toBeCloseTo(3.89, 2)
    expect(computed.length_controlled_winrate_by_position).toBe(
      report("phi-2", regularisation).length_controlled_winrate,
    )
  })

  test("the gamed rows are those that the published weights tell of", () => {
    const {
      S1_sum_y_tanh: lengths,
      S2_sum_y_difficulty: hard,
      row_weight: weight,
      n_rows: count,
    } = jsonOf("shared/gamed_stats.json")
    const rows = lengthRows({ annotations: [], gamed: gamed(), difficulties: difficulties() })
    const sum = (column: number) =>
      rows.targets.reduce((total, target, row) => total + target * rows.features[row * rows.width + column]!, 0)
    expect(rows.targets.length).toBe(count)
    expect(sum(0)).toBeCloseTo(lengths, 4)
    expect(sum(1)).toBeCloseTo(hard, 4)
    expect([...new Set(rows.weights)]).toEqual([weight])
  })

  test("win rates foreseen from published weights, 1e-6", () => {
    const known = difficulties()
    const models: Record<
      string,
      { readonly weights: readonly [number, number, number]; readonly published_lc: number }
    > = jsonOf("public/prediction_only.json")
    for (const { weights, published_lc: published } of Object.values(models)) {
      const [length, difficulty, model] = weights
      const { winRate } = foreseen([...known.keys()], { length, difficulty, model }, known)
      expect(Math.abs(winRate - published)).toBeLessThan(1e-6)
    }
    expect(Object.keys(models).length).toBeGreaterThan(30)
  })

  // Recorded when the protocol was studied: how far each mistake is from the published number, in points.
  const recorded: readonly (readonly [
    string,
    Mistakes,
    readonly [claude: number, gpt: number, fuse: number],
    bound: number,
  ])[] = [
    ["none", {}, [-0.004, -0.012, 0], 6e-4],
    ["deviation with n", { ddof: 0 }, [-0.004, -0.009, 0], 6e-4],
    ["lengths centred", { isCentred: true }, [-13.6, -13.4, -0.36], 0.06],
    ["no tanh", { hasNoTanh: true }, [0.55, -0.56, -0.95], 6e-3],
    ["gamed weight 0.2", { gamedWeight: 0.2 }, [0.19, 0.28, 0.34], 6e-3],
    ["gamed weight 1", { gamedWeight: 1 }, [0.51, 0.75, 1.27], 6e-3],
    ["no gamed rows", { gamedWeight: 0 }, [-0.48, -1.06, -0.53], 6e-3],
    ["L2", { penalty: "L2" }, [-0.024, 0.027, 0.005], 6e-4],
    ["no penalty", { penalty: "none" }, [-0.056, -0.095, 0.066], 6e-4],
    ["own lengths flipped", { flipsOwnLengths: true }, [-9.1, -12.6, -1.8], 0.06],
    ["verdicts rounded", { binarises: true }, [-1.6, -2.6, 1.3], 0.06],
    ["σ of the mean", { averagesFirst: true }, [-4.8, -7.0, 4.0], 0.06],
    ["foreseen at own lengths", { predictsAtOwnLengths: true }, [-9.5, -10.1, -2.1], 0.06],
    ["no difficulty", { difficulty: "none" }, [5.7, 9.8, 0.05], 0.06],
    ["difficulties in wrong order", { difficulty: "reversed" }, [5.8, 9.8, 0.03], 0.2],
  ]

  test.each(recorded)("the mistake “%s” moves three models as recorded", (_, mistake, deviations, bound) => {
    const models = ["claude-2.1", "gpt-3.5-turbo-1106", "FuseChat-Llama-3.1-8B-Instruct"]
    const set = {
      gamed: gamed().map((row) => ({ ...row, preference: row.preference + 1 })),
      difficulties: difficulties(),
    }
    for (const [index, model] of models.entries()) {
      const { published, C_published: regularisation } = expectedOf(model)
      const mistaken = referenceLengthControlled({ ...set, pairs: fileOf(model).annotations }, regularisation!, mistake)
      const deviation = mistaken.winRate - published.length_controlled_winrate!
      expect(Math.abs(deviation - deviations[index]!)).toBeLessThan(bound)
    }
  })
})
