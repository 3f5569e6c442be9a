import { expect, test } from "vitest"
import { firstFew } from "#shared/domain/first-few.ts"

test.each([
  [["a"], "a"],
  [["a", "b", "c"], "a, b, c"],
  [["a", "b", "c", "d"], "a, b, c and 1 more"],
])("of %j at most three are named", (all, named) => {
  expect(firstFew(all, 3)).toBe(named)
})
