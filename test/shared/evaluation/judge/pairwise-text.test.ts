import { expect, test } from "vitest"
import { readPairwiseVerdict } from "#shared/evaluation/judge/pairwise-text.ts"

test.each([
  ["[[A]]", "first"],
  ["Answer A is right.\n\n[[A]]", "first"],
  ["[[ B ]] because it is short. So: [[B]]", "second"],
  ["[[C]]", "tie"],
  ["[[M]]", "second"],
  ["[[m]]", "first"],
  ["A", "first"],
  ["**B**", "second"],
  [" `m`.\n", "first"],
  ['"M"', "second"],
  ["C.", "tie"],
  ["[A]", "first"],
])("%j names the %s", (text, verdict) => {
  expect(readPairwiseVerdict(text)).toBe(verdict)
})

test.each([
  "",
  "Both are good.",
  "[[A]] or rather [[B]]",
  "[[A>B]]",
  "[[D]]",
  "A B",
  "a",
  "Answer A",
  "I would take B here",
  "x[[A",
])("%j names none", (text) => {
  expect(readPairwiseVerdict(text)).toBeUndefined()
})
