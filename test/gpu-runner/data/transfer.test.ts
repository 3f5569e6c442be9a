// A source that answers and brings next to nothing is away: by a least amount in a time, and in tries in a row.
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { type Source, transferFile } from "#gpu-runner/data/transfer.ts"
import { createWorkspace } from "../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const BYTES = new Uint8Array(1600).map((_, index) => index)
const FILE = {
  path: "model.safetensors",
  algorithm: "sha256" as const,
  digest: createHash("sha256").update(BYTES).digest("hex"),
  sizeBytes: BYTES.length,
}

/** Sends what `pieces` makes of the rest that is asked for, and counts the answers. */
const sourceOf = (pieces: (rest: Uint8Array, signal: AbortSignal) => AsyncIterable<Uint8Array>) => {
  const asked: number[] = []
  const source: Source = {
    ask: async (range, signal) => {
      const from = Number(/\d+/.exec(range ?? "0")![0])
      asked.push(from)
      const headers = { "content-range": `bytes ${from}-${BYTES.length - 1}/${BYTES.length}` }
      return new Response(ReadableStream.from(pieces(BYTES.subarray(from), signal!)), { status: 206, headers })
    },
    refusal: () => undefined,
    unreachable: (cause) => new Error(`away: ${(cause as Error).message}`),
    mismatch: (found) => new Error(`other bytes: ${found}`),
  }
  return { source, asked }
}
const fetched = (name: string, source: Source) => {
  const target = workspace.at(name)
  const patience = { retryDelayMs: 0, stallMs: 60, fruitlessTries: 3 }
  return transferFile(FILE, target, { source, ...patience }).then(() => new Uint8Array(readFileSync(target)))
}

async function* trickle(rest: Uint8Array, signal: AbortSignal) {
  for (let at = 0; at < rest.length; at++) {
    signal.throwIfAborted()
    yield rest.subarray(at, at + 1)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test("a source that sends a byte now and then is away after a few tries, and what came is kept", async () => {
  const { source, asked } = sourceOf(trickle)
  await expect(fetched("trickles", source)).rejects.toThrow(/^away: only \d bytes came in 0\.06 s$/)
  expect(asked).toHaveLength(3)
  expect(asked[2]).toBeGreaterThan(asked[1]!)
})

test("one that breaks off after a byte of every answer is away too", async () => {
  const { source, asked } = sourceOf(async function* (rest) {
    yield rest.subarray(0, 1)
  })
  await expect(fetched("breaks", source)).rejects.toThrow("away: it ended after 3 of 1600 bytes")
  expect(asked).toEqual([0, 1, 2])
})

test("one that breaks off again and again, and brings enough between, is waited for", async () => {
  const { source, asked } = sourceOf(async function* (rest) {
    yield rest.subarray(0, 50)
  })
  expect(await fetched("slow", source)).toEqual(BYTES)
  expect(asked).toHaveLength(32)
})
