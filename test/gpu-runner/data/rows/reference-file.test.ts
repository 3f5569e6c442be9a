// References are found by the row's name and checked against its tokens; their order in the file does not matter.
import { afterAll, describe, expect, test } from "vitest"
import { InvalidDataFile, ReferenceMismatch } from "#gpu-runner/data/errors.ts"
import { readReferenceFile, scoreLine, withReference } from "#gpu-runner/data/rows/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const row = (id: string, chosen: number, rejected: number): TokenRow => ({
  id,
  promptIds: Uint32Array.of(1),
  chosenIds: new Uint32Array(chosen),
  rejectedIds: new Uint32Array(rejected),
  weight: 1,
})
const scores = (...values: readonly number[]) => Float32Array.from(values)
const lines = [
  scoreLine("b", scores(-3, -4), scores(-5)),
  scoreLine("a", scores(-1), scores(-2, -0.5, -0.25)),
  scoreLine("unused", scores(-9), scores(-9)),
]
const write = (...content: readonly string[]) => workspace.write("reference.jsonl", `${content.join("\n")}\n`)

test("each row gets the log-probs of its own name, in whatever order the file has them", () => {
  const rows = [row("a", 1, 3), row("b", 2, 1)]
  const sums = (file: string) =>
    withReference(rows, file, readReferenceFile(file)).map(({ reference }) => [
      reference!.chosen.sum,
      reference!.rejected.sum,
    ])
  expect(sums(write(...lines))).toEqual([
    [-1, -2.75],
    [-7, -5],
  ])
  expect(sums(write(...lines.toReversed()))).toEqual(sums(write(...lines)))
})

describe("a reference is refused", () => {
  const against = (rows: readonly TokenRow[], ...content: readonly string[]) => {
    const file = write(...content)
    return () => withReference(rows, file, readReferenceFile(file))
  }
  test("when it lacks a row, or scored another number of tokens", () => {
    expect(against([row("z", 1, 1)], ...lines)).toThrow(ReferenceMismatch)
    expect(against([row("z", 1, 1)], ...lines)).toThrow(/has no row "z"/)
    expect(against([row("a", 1, 2)], ...lines)).toThrow(/rejected of row "a" was scored on 3 tokens and has 2 here/)
  })

  test("when a row is there twice, or its numbers are not finite or do not add up", () => {
    const a = [row("a", 1, 3)]
    expect(against(a, lines[1]!, lines[1]!)).toThrow(InvalidDataFile)
    expect(against(a, lines[1]!, lines[1]!)).toThrow(/reference\.jsonl:2: id "a" is there twice/)
    expect(against(a, lines[1]!.replace('"sum":-1', '"sum":null'))).toThrow(/chosen has no finite sum/)
    expect(against(a, lines[1]!.replace('"sum":-1', '"sum":-2'))).toThrow(/chosen has a sum that is not its logProbs'/)
  })
})
