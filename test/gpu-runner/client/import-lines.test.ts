// What of a source is sent in one upload, and what is told instead of sent.
import { expect, test } from "vitest"
import { chunksOf, type ImportLine } from "#gpu-runner/client/import-lines.ts"
import { LIMITS } from "#shared/wire/limits.ts"

const place = (line: number) => ({ file: "pairs.jsonl", line, row: line })
const lineOf = (line: number, bytes: number): ImportLine => ({ place: place(line), bytes: new Uint8Array(bytes) })

async function* linesOf(...lines: readonly ImportLine[]) {
  yield* lines
}

test("what is taken back goes in chunks of at most as many as one request takes, with or without lines beside it", async () => {
  const over = (line: number): ImportLine => ({ place: place(line), retraction: { externalId: `row-${line}` } })
  const chunks = []
  const many = Array.from({ length: LIMITS.retractedAtOnce + 1 }, (_, index) => over(index))
  for await (const chunk of chunksOf(linesOf(lineOf(9, 10), ...many))) chunks.push(chunk)
  expect(chunks.map(({ places, retractions }) => [places.length, retractions.length])).toEqual([
    [1, LIMITS.retractedAtOnce],
    [0, 1],
  ])
})

test("a line over the gateway's limit is told with its place and not sent; those beside it are", async () => {
  const chunks = []
  const lines = linesOf(lineOf(1, LIMITS.lineBytes), lineOf(2, LIMITS.lineBytes + 1), lineOf(3, 10))
  for await (const chunk of chunksOf(lines)) chunks.push(chunk)
  expect(chunks).toHaveLength(1)
  expect(chunks[0]!.places.map(({ line }) => line)).toEqual([1, 3])
  expect(chunks[0]!.faults).toEqual([
    {
      place: place(2),
      fault: `takes ${LIMITS.lineBytes + 1} bytes as one line, and the gateway takes ${LIMITS.lineBytes}; shorten its texts`,
    },
  ])
})
