// ONNX Runtime's WASM build inside workerd, on a graph that our own exporter wrote.
import { describe, expect, it } from "vitest"
import { llamaTokenLogProbs } from "#test/reference/llama.ts"
import { openSession, runSession, runtimeMemoryBytes } from "#workers/scorer/onnx-runtime.ts"
import { makeTinyModel } from "./tiny-model.ts"

const model = await makeTinyModel(7)
const onnx = model.contents["model.onnx"]!

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a, (value, index) => Math.abs(value - b[index]!)).reduce((x, y) => Math.max(x, y), 0)

describe("ONNX Runtime in an isolate", () => {
  it("gives each response token's log-prob within 1e-4 nats of an f64 forward pass", async () => {
    const session = await openSession(onnx)
    for (const [length, start] of [
      [2, 1],
      [3, 2],
      [17, 1],
      [64, 40],
      [128, 127],
    ] as const) {
      const ids = Uint32Array.from({ length }, (_, index) => (index * 37 + length) % model.config.vocabularySize)
      const logProbs = await runSession(session, ids, start)
      const expected = llamaTokenLogProbs(model.config, model.weights, ids, start)
      expect(logProbs.length).toBe(length - start)
      expect(largestDifference(logProbs, expected)).toBeLessThan(1e-4)
    }
    await session.release()
  })

  it("refuses an id outside the vocabulary instead of reading past the embedding", async () => {
    const session = await openSession(onnx)
    const ids = Uint32Array.of(0, 5, model.config.vocabularySize)
    await expect(runSession(session, ids, 1)).rejects.toThrow(/out of data bounds/)
    await session.release()
  })

  it("refuses bytes that are no model, and opens the next session all the same", async () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(64).fill(255), onnx.slice(0, onnx.length >> 1)])
      await expect(openSession(bytes)).rejects.toThrow()
    const session = await openSession(onnx)
    expect((await runSession(session, Uint32Array.of(0, 1, 2), 1)).length).toBe(2)
    await session.release()
  })

  it("leaves WebAssembly.instantiate as it found it", async () => {
    const before = WebAssembly.instantiate
    await (await openSession(onnx)).release()
    expect(WebAssembly.instantiate).toBe(before)
  })

  it("does not hold more memory after fifty sessions than after five", async () => {
    const openAndRelease = async (times: number) => {
      for (let count = 0; count < times; count++) {
        const session = await openSession(onnx)
        await runSession(
          session,
          Uint32Array.from({ length: 100 }, (_, index) => index),
          50,
        )
        await session.release()
      }
      return runtimeMemoryBytes()
    }
    const afterFive = await openAndRelease(5)
    expect(afterFive).toBeGreaterThan(0)
    expect(await openAndRelease(45)).toBe(afterFive)
  })
})
