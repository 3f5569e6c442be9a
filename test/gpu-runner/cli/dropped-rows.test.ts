// What is told of rows that were left out.
import { expect, test } from "vitest"
import { describeDropped } from "#gpu-runner/cli/dropped-rows.ts"

const row = (line: number, reason: string, detail?: string) => ({ file: "f", line, row: line, reason, detail })

test("twenty bad rows and five others are told in full, bad ones first, then all by number, then unread fields once", () => {
  const ties = Array.from({ length: 7 }, (_, i) => row(i + 1, "tie", "alike"))
  const bad = Array.from({ length: 23 }, (_, i) => row(i + 100, "bad-row", "x is missing"))
  const lines = describeDropped("data", [...ties, ...bad], ["mood", "note"]).split("\n")
  expect(lines).toHaveLength(27)
  expect(lines[0]).toBe("f:100: dropped (bad-row): x is missing")
  expect(lines[19]).toBe("f:119: dropped (bad-row): x is missing")
  expect(lines.slice(20, 25)).toEqual([1, 2, 3, 4, 5].map((line) => `f:${line}: dropped (tie): alike`))
  expect(lines.slice(25)).toEqual([
    "data: 30 rows dropped: 7 tie, 23 bad-row",
    "data: fields that nobody reads, left alone: mood, note (--strict refuses them)",
  ])
})

test("where nothing was dropped, only the unread fields are told", () => {
  expect(describeDropped("data", [], ["mood"])).toBe(
    "data: fields that nobody reads, left alone: mood (--strict refuses them)",
  )
})
