// Random checkpoints: values as a fresh model has them, made anew when asked for.
import { expect, test } from "vitest"
import { LAYOUTS, layoutConfig } from "#gpu-runner/bench/layouts.ts"
import { randomModel, randomValues } from "#gpu-runner/bench/random-model.ts"
import { checkModelTensors } from "#shared/formats/families/decoder-config.ts"
import { storeMatrix } from "#shared/formats/weights/quantisation.ts"
import { asFloat32 } from "#shared/formats/weights/tensor.ts"

const model = randomModel(layoutConfig(LAYOUTS["smollm2-135m"], 64))

function moments(values: Float32Array) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  return { mean, deviation: Math.sqrt(variance) }
}

test("a layout's checkpoint has every tensor of the model, in bf16", () => {
  expect(() => checkModelTensors(model.config, model.tensors)).not.toThrow()
  expect(new Set([...model.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["BF16"]))
})

test("matrices are normal with deviation 0.02, norms are 1", () => {
  const { mean, deviation } = moments(asFloat32(model.tensors.get("model.layers.3.mlp.up_proj.weight")!))
  expect(Math.abs(mean)).toBeLessThan(1e-4)
  expect(deviation).toBeCloseTo(0.02, 3)
  expect(new Set(asFloat32(model.tensors.get("model.norm.weight")!))).toEqual(new Set([1]))
})

test("no two rows of a matrix longer than what was drawn are the same", () => {
  const table = asFloat32(model.tensors.get("model.embed_tokens.weight")!)
  const width = model.config.hiddenSize
  const starts = Array.from({ length: table.length / width }, (_, row) =>
    table.subarray(row * width, row * width + 8).join(),
  )
  expect(new Set(starts).size).toBe(starts.length)
})

test("a tensor that is asked for twice has the same bytes, and others do not", () => {
  const bytes = (name: string) => Buffer.from(model.tensors.get(name)!.data)
  const name = "model.layers.0.self_attn.q_proj.weight"
  expect(bytes(name).equals(bytes(name))).toBe(true)
  expect(bytes(name).equals(bytes("model.layers.1.self_attn.q_proj.weight"))).toBe(false)
})

test("every fourth layer is quantised once", () => {
  const store = model.store!
  const of = (layer: number) => model.tensors.get(`model.layers.${layer}.self_attn.k_proj.weight`)!
  expect(store(of(5), "nf4")).toBe(store(of(1), "nf4"))
  expect(store(of(2), "nf4")).not.toBe(store(of(1), "nf4"))
  expect(store(of(1), "nf4")).toEqual(storeMatrix(of(1), "nf4"))
  expect(store(of(1), "bf16")).toEqual(storeMatrix(of(1), "bf16"))
})

test("operands have the deviation that is asked for", () => {
  expect(moments(randomValues(100_000, 1)).deviation).toBeCloseTo(1, 1)
  expect(moments(randomValues(2_000_000, 0.02)).deviation).toBeCloseTo(0.02, 3)
})
