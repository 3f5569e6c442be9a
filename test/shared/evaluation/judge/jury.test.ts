import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { jurorReports, juryValues, rankAgreement } from "#shared/evaluation/judge/jury.ts"

describe("a jury", () => {
  test("by hand: the mean of those that have a verdict, each beside the others", () => {
    const jurors = [
      [1, 0, 0.5, undefined],
      [1, 1, undefined, undefined],
      [0.25, 0, 1, undefined],
    ]
    expect(juryValues(jurors)).toEqual([0.75, 1 / 3, 0.75, undefined])
    const [first, second] = jurorReports(jurors)
    // Without it: 0.625, 0.5, 1.
    expect(first).toEqual({
      win_rate: 50,
      win_rate_without: expect.closeTo((100 * (0.625 + 0.5 + 1)) / 3, 12),
      agreement: expect.closeTo(1 - (0 + 0.5 + 0.5) / 3, 12),
    })
    expect(second).toMatchObject({ win_rate: 100, agreement: 0.5 })
  })

  test("of one judge is that judge, and nobody else is asked about", () => {
    expect(juryValues([[0.2, undefined]])).toEqual([0.2, undefined])
    expect(jurorReports([[0.2, undefined]])).toEqual([{ win_rate: 20, win_rate_without: null, agreement: null }])
  })

  test("of judges that say the same agrees, in whichever order they stand", () => {
    const values = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(values, (said) => {
        for (const { agreement } of jurorReports([said, said, said])) expect(agreement).toBe(1)
        const [sum] = jurorReports([said, said])
        expect(sum!.win_rate).toBe(sum!.win_rate_without)
      }),
    )
  })
})

test.each([
  [[1, 2, 3], [10, 20, 30], 1],
  [[1, 2, 3], [30, 20, 10], -1],
  [[1, 2, 3], [10, 30, 20], 1 / 3],
  [[1, 1], [1, 2], 0],
  [[1], [1], undefined],
])("models rated %j and %j agree in rank by %s", (one, other, expected) => {
  expect(rankAgreement(one, other)).toEqual(expected === undefined ? undefined : expect.closeTo(expected, 12))
})
