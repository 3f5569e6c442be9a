// The held-out split: by prompt, never the same prompt on both sides, the same whatever the order.
import fc from "fast-check"
import { expect, test } from "vitest"
import { UnusableConfig } from "#gpu-runner/trainer/errors.ts"
import { splitByPrompt } from "#gpu-runner/trainer/rows/held-out-split.ts"

const row = (prompt: number, id: number) => ({
  id: `row-${id}`,
  promptIds: Uint32Array.of(prompt, 7),
  chosenIds: Uint32Array.of(1),
  rejectedIds: Uint32Array.of(2),
  weight: 1,
})
const prompts = (rows: readonly { promptIds: Uint32Array }[]) => new Set(rows.map(({ promptIds }) => promptIds[0]!))

test("no prompt stands on both sides, every row on one, and the held-out side is no larger than it must be", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 30 }), { minLength: 2, maxLength: 80 }),
      fc.double({ min: 0.01, max: 0.6, noNaN: true }),
      (promptOfRow, share) => {
        fc.pre(new Set(promptOfRow).size > 1)
        const rows = promptOfRow.map(row)
        const largest = Math.max(...[...prompts(rows)].map((p) => promptOfRow.filter((other) => other === p).length))
        fc.pre(share * rows.length + largest < rows.length)
        const { train, heldOut } = splitByPrompt(rows, share)
        expect([...prompts(train)].filter((prompt) => prompts(heldOut).has(prompt))).toEqual([])
        expect([...train, ...heldOut].map(({ id }) => id).sort()).toEqual(rows.map(({ id }) => id).sort())
        expect(heldOut.length).toBeGreaterThanOrEqual(share * rows.length)
        expect(heldOut.length).toBeLessThan(share * rows.length + largest)
        const turned = splitByPrompt(rows.toReversed(), share)
        expect(turned.heldOut.map(({ id }) => id)).toEqual(heldOut.map(({ id }) => id).reverse())
      },
    ),
  )
})

test("a share that would hold out everything is refused", () => {
  expect(() => splitByPrompt([row(1, 1), row(1, 2)], 0.1)).toThrow(UnusableConfig)
  expect(() => splitByPrompt([row(1, 1), row(1, 2)], 0.1)).toThrow(/leaves nothing to train on: the data has 1 prompts/)
})
