// Two conversations as a row of a reward model: what both begin with stands once, and the last token that is no padding ends each.
import fc from "fast-check"
import { expect, test } from "vitest"
import { atLastTokens, layOutRows } from "#gpu-runner/models/laid-out-rows.ts"
import { rewardRow } from "#gpu-runner/trainer/results/reward-model.ts"

const PAD = 0
const head = (maxPositions = 64) => ({ model: { config: { maxPositions } } as never, padTokenId: PAD })
const ids = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 8 })
const padding = fc.array(fc.constant(PAD), { maxLength: 3 })

test("each conversation stands whole in its row, up to its last token, whose state is the one that is read", () => {
  fc.assert(
    fc.property(ids, ids, ids, padding, padding, (beginning, one, other, after, behind) => {
      const whole = [
        [...beginning, ...one],
        [...beginning, ...other],
      ] as const
      const row = rewardRow(
        "r",
        [Uint32Array.of(...whole[0], ...after), Uint32Array.of(...whole[1], ...behind)],
        head(),
      )
      if ("unscored" in row) throw new Error(row.unscored)
      expect([...row.promptIds, ...row.chosenIds]).toEqual(whole[0])
      expect([...row.promptIds, ...row.rejectedIds]).toEqual(whole[1])
      expect(Math.min(row.promptIds.length, row.chosenIds.length, row.rejectedIds.length)).toBeGreaterThan(0)
      const { tokenIds, predictionRows, scoredOffsets } = atLastTokens(layOutRows([row, row]))
      expect([...predictionRows].map((place) => tokenIds[place])).toEqual(
        [0, 1].flatMap(() => whole.map((tokens) => tokens.at(-1))),
      )
      expect([...scoredOffsets]).toEqual([0, 2, 4])
    }),
  )
})

test("what both begin with is as long as it can be, and equal conversations keep a token each", () => {
  const row = rewardRow("r", [Uint32Array.of(5, 6, 7, 1), Uint32Array.of(5, 6, 7, 2, 1)], head())
  expect(row).toMatchObject({ promptIds: Uint32Array.of(5, 6, 7), chosenIds: Uint32Array.of(1) })
  const equal = rewardRow("r", [Uint32Array.of(5, 6), Uint32Array.of(5, 6)], head())
  expect(equal).toMatchObject({
    promptIds: Uint32Array.of(5),
    chosenIds: Uint32Array.of(6),
    rejectedIds: Uint32Array.of(6),
  })
})

test.each([
  ["longer than the model reads", [5, 6, 7, 8], [5, 6], "over-length"],
  ["with nothing in common", [5, 6], [6, 5], "no beginning in common"],
  ["of padding alone", [PAD, PAD], [5], "no beginning in common"],
])("a conversation %s has no reward", (_, one, other, reason) => {
  expect(rewardRow("r", [Uint32Array.from(one), Uint32Array.from(other)], head(3))).toEqual({ unscored: reason })
})
