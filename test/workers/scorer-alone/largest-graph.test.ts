// The largest graph that the scorer opens, in an isolate of its own: memory that other graphs have worn may be in pieces.
import { expect, it } from "vitest"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { edgeFit, MAX_GRAPH_BYTES } from "#shared/formats/onnx/edge-fit.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import { tensorOf } from "#shared/formats/weights/tensor.ts"
import { isOutOfMemory, openSession, runSession, runtimeMemoryBytes } from "#workers/scorer/onnx-runtime.ts"

const MEGABYTE = 1024 * 1024

/** A Llama whose graph is just under what the scorer opens, f32. */
const LARGEST = parseDecoderConfig({
  architectures: ["LlamaForCausalLM"],
  vocab_size: 8192,
  hidden_size: 256,
  intermediate_size: 1024,
  num_hidden_layers: 9,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
})

const largestModel = (): Uint8Array => {
  const tensors = [...decoderTensorShapes(LARGEST)].map(([name, shape]) => {
    const values = new Float32Array(shape.reduce((size, side) => size * side, 1))
    return [name, tensorOf(name, shape, values.fill(0.01))] as const
  })
  return exportOnnxGraph({ config: LARGEST, tensors: new Map(tensors) })
}

it("runs a model of nearly the largest size on 512 tokens in its bounded memory as foreseen, and refuses rows that are too long", async () => {
  const bytes = largestModel()
  expect(bytes.length).toBeLessThan(MAX_GRAPH_BYTES)
  expect(bytes.length).toBeGreaterThan(0.94 * MAX_GRAPH_BYTES)
  const foreseen = (longestRowTokens: number) => edgeFit({ config: LARGEST, weights: "f32", longestRowTokens }).fits
  expect([foreseen(512), foreseen(6000)]).toEqual([true, false])
  const session = await openSession(bytes)
  await expect(runSession(session, new Uint32Array(6000), 1)).rejects.toSatisfy(isOutOfMemory)
  const logProbs = await runSession(session, new Uint32Array(512), 500)
  // Equal weights make every logit equal, so every token is one of 8192 alike.
  for (const logProb of logProbs) expect(logProb).toBeCloseTo(-Math.log(8192), 3)
  expect(runtimeMemoryBytes()).toBeLessThanOrEqual(96 * MEGABYTE)
  await session.release()
})
