// The mutation runner's own rules: a mutant must be a change of code, or a survivor would say nothing.
import { expect, test } from "vitest"
import { codeOnly, mutantsOf, mutated } from "#test/mutation/mutants.ts"

const source = [
  "// a comment with a < b and true",
  'import { a } from "./a.ts"',
  `const text = \`${"$"}{a > 1} is > that\``,
  'const limit = 64 // "true"',
  "if (limit <= a && !done(`x === y`)) return true",
].join("\n")

test("comments, texts and imports are no code, and what stands in a template's braces is", () => {
  expect(codeOnly('"a < b" // c < d')).toBe(" ".repeat(16))
  expect(mutantsOf(source).map(({ line, from, to }) => [line, from.trim(), to.trim()])).toEqual([
    [3, ">", ">="],
    [4, "64", "65"],
    [5, "<=", "<"],
    [5, "&&", "||"],
    [5, "true", "false"],
  ])
})

test("a mutant changes the named place alone", () => {
  const [, limit] = mutantsOf(source)
  expect(mutated(source, limit!)).toBe(source.replace("limit = 64", "limit = 65"))
})
