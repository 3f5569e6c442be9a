// How soon a judge may stop, on stored judgements of seven models in random orders. The folder is named by YOHAKU_EVAL_FIXTURES; without it these tests
// are skipped, by name.
import { readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, test } from "vitest"
import { readAnnotationFile } from "#shared/evaluation/alpaca-eval/annotation-file.ts"
import { decideInOrder } from "#shared/evaluation/statistics/betting.ts"
import { stratifiedOrder } from "#shared/evaluation/statistics/stratified-order.ts"
import { uniformSource } from "#test/reference/random.ts"
import { evalFixtures } from "../eval-fixtures.ts"

const ORDERS = 2000

describe.skipIf(!evalFixtures.isThere)(`stored judgements (${evalFixtures.name})`, () => {
  // Recorded: medians from 9 to 17 questions for win rates of 2 to 16 %, 75 for 63 %; within 20 %.
  test.each([
    ["alpaca-7b", "below", 9, 17],
    ["claude-2.1", "below", 9, 17],
    ["gpt-3.5-turbo-1106", "below", 9, 17],
    ["phi-2", "below", 9, 17],
    ["vicuna-13b-v1.5", "below", 9, 17],
    ["wizardlm-13b", "below", 9, 17],
    ["FuseChat-Llama-3.1-8B-Instruct", "above", 75, 75],
  ] as const)(
    "%s is decided %s in all of 2000 orders, at a median of %s to %s questions",
    (model, side, least, most) => {
      const file = path.join(evalFixtures.folder, `public/alpaca/${model}.json`)
      const shares = readAnnotationFile(readFileSync(file)).annotations.map(({ preference }) => preference! - 1)
      const uniform = uniformSource(43)
      const decided = Array.from({ length: ORDERS }, () => {
        const order = stratifiedOrder(
          shares.map(() => ""),
          uniform,
        )
        return decideInOrder(
          order.map((index) => shares[index]!),
          { alpha: 0.05 },
        )
      })
      expect(decided.filter(({ decision }) => decision !== side)).toEqual([])
      const looked = decided.map((each) => each.looked).toSorted((a, b) => a - b)
      expect(looked[ORDERS / 2]!).toBeGreaterThanOrEqual(0.8 * least)
      expect(looked[ORDERS / 2]!).toBeLessThanOrEqual(1.2 * most)
    },
  )
})
