// ONNX Runtime's WASM build inside workerd, on a graph that our own exporter wrote.
import { describe, expect, it } from "vitest"
import { OPERATOR_SET_VERSION } from "#shared/formats/onnx/decoder-graph.ts"
import { ONNX_INPUTS, ONNX_OUTPUT } from "#shared/formats/onnx/export-graph.ts"
import { GraphBuilder, ONNX_DTYPE, onnxModel } from "#shared/formats/onnx/graph-builder.ts"
import { decoderTokenLogProbs } from "#test/reference/decoder.ts"
import { isOutOfMemory, openSession, runSession, runtimeMemoryBytes } from "#workers/scorer/onnx-runtime.ts"
import { makeTinyModel } from "./tiny-model.ts"

const MEGABYTE = 1024 * 1024

/** A valid file of about a hundred bytes that wants 200 MB: fifty million zeros, then their sum beside each token. */
const memoryBomb = (): Uint8Array => {
  const graph = new GraphBuilder("bomb")
  const inputIds = graph.input(ONNX_INPUTS.inputIds, ONNX_DTYPE.INT64, ["T"])
  graph.input(ONNX_INPUTS.responseStart, ONNX_DTYPE.INT64, [1])
  graph.output(ONNX_OUTPUT, ONNX_DTYPE.FLOAT, ["N"])
  const zeros = graph.node("ConstantOfShape", [graph.integers(50_000_000)])
  const sum = graph.node("ReduceSum", [zeros], { keepdims: 0 })
  graph.node("Add", [graph.node("Cast", [inputIds], { to: ONNX_DTYPE.FLOAT }), sum], {}, ONNX_OUTPUT)
  return onnxModel(graph, OPERATOR_SET_VERSION).toBytes()
}

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
      const expected = decoderTokenLogProbs(model.config, model.weights, ids, start)
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

  it("refuses a graph that wants more memory than an isolate has, and opens the next session all the same", async () => {
    const runBomb = async () => runSession(await openSession(memoryBomb()), Uint32Array.of(1, 2), 1)
    await expect(runBomb()).rejects.toSatisfy(isOutOfMemory)
    expect(runtimeMemoryBytes()).toBeLessThanOrEqual(96 * MEGABYTE)
    const session = await openSession(onnx)
    expect((await runSession(session, Uint32Array.of(0, 1, 2), 1)).length).toBe(2)
    await session.release()
  })
})
