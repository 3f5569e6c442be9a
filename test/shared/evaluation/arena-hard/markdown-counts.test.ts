// Counts of Markdown as Arena-Hard's Python makes them, also where JavaScript's expressions mean something else.
import { expect, test } from "vitest"
import { markdownCounts } from "#shared/evaluation/arena-hard/markdown-counts.ts"

const counts = (text: string) => Object.values(markdownCounts(text))

test("headers of one to six signs, list items of both kinds and bold passages of both kinds", () => {
  const answer =
    "# One\n## Two\n###### Six\n####### seven is none\n#none\n\n- a\n* b\n+ c\n1. d\n  23. e\n-none\n1.none\n**bold** and __bold__ and ** a *, **b\nc**"
  expect(counts(answer)).toEqual([3, 5, 2])
})

test("what stands in fenced code does not count, nor anywhere else where it stands again", () => {
  expect(counts("```\n# no\n- no\n```\n- yes")).toEqual([0, 1, 0])
  // The inner text is taken out wherever it stands: here the item after the code too.
  expect(counts("```- a\n```\n- a\n- b")).toEqual([0, 1, 0])
  expect(counts("``````\n- a")).toEqual([0, 1, 0])
  expect(counts("```a `b` c```\n# d")).toEqual([1, 0, 0])
})

test("a line starts after a newline alone, not after what JavaScript takes for one", () => {
  for (const separator of ["\r", "\u2028", "\u2029"])
    expect(counts(`a${separator}# b${separator}- c`)).toEqual([0, 0, 0])
  expect(counts("a\r\n# b\r\n- c")).toEqual([1, 1, 0])
})

test("white space and digits are Python's", () => {
  expect(counts("#\u001cb")).toEqual([1, 0, 0])
  expect(counts("#\u0085b")).toEqual([1, 0, 0])
  expect(counts("#\ufeffb")).toEqual([0, 0, 0])
  expect(counts("٣. Arabic three\n３. fullwidth three\n²．")).toEqual([0, 2, 0])
})

test("an item may stand after lines of white space, and a marker may end its line", () => {
  expect(counts("\n \t\n  - a\n-\n1.\n2. b")).toEqual([0, 4, 0])
})

test("a long run of white space takes no longer than its length", () => {
  // What goes back from every line's start through the run takes minutes, and the test's time is up.
  expect(counts(`${"\n".repeat(200_000)}${" ".repeat(200_000)}x`)).toEqual([0, 0, 0])
})
