// The order in which a judge is asked.
import fc from "fast-check"
import { expect, test } from "vitest"
import { stratifiedOrder } from "#shared/evaluation/statistics/stratified-order.ts"
import { uniformSource } from "#test/reference/random.ts"

const settings = fc.array(fc.constantFrom("mail", "code", "chat"), { minLength: 1, maxLength: 80 })

test("law: every question once, and each setting has its share of every beginning, within one question", () => {
  fc.assert(
    fc.property(settings, fc.nat(), (strata, seed) => {
      const order = stratifiedOrder(strata, uniformSource(seed))
      expect(order.toSorted((a, b) => a - b)).toEqual([...strata.keys()])
      for (const setting of new Set(strata)) {
        const all = strata.filter((each) => each === setting).length
        let asked = 0
        order.forEach((index, before) => {
          // Of the other settings each may be one question ahead or behind too.
          expect(Math.abs(asked - (all * before) / strata.length)).toBeLessThan(2 + new Set(strata).size)
          asked += Number(strata[index] === setting)
        })
      }
    }),
  )
})

test("a rare setting comes early: the first of ten of them within a tenth of the questions, with slack for its neighbours", () => {
  const strata = [...Array<string>(990).fill("common"), ...Array<string>(10).fill("rare")]
  for (let seed = 0; seed < 50; seed++) {
    const first = stratifiedOrder(strata, uniformSource(seed)).findIndex((index) => strata[index] === "rare")
    expect(first).toBeLessThan(105)
  }
})

test("one seed, one order; within a setting every question may be the first", () => {
  const strata = ["a", "b", "a", "b"]
  expect(stratifiedOrder(strata, uniformSource(1))).toEqual(stratifiedOrder(strata, uniformSource(1)))
  const firsts = Array.from({ length: 60 }, (_, seed) => stratifiedOrder(strata, uniformSource(seed))[0])
  expect(new Set(firsts)).toEqual(new Set([0, 1, 2, 3]))
})
