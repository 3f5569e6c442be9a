// The demo's model: its shape, its random start, and the record of what was made.
import { describe, expect, test } from "vitest"
import { randomWeights } from "#infra/demo/recipe/initialise.ts"
import { recordText } from "#infra/demo/recipe/make-model.ts"
import { sha256 } from "#infra/demo/recipe/outputs.ts"
import { SeededRandom } from "#infra/demo/recipe/random.ts"
import { checkModelTensors } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { asFloat32, readSafetensors } from "#shared/formats/weights/safetensors.ts"
import { committedText } from "./committed.ts"

const configJson = committedText("model/config.json")

describe("the random start", () => {
  const bytes = randomWeights(configJson)
  const { tensors } = readSafetensors(bytes)

  test("has every tensor of the Llama layout, 1 to 3 million parameters", () => {
    checkModelTensors(parseDecoderConfig(configJson), tensors)
    const parameters = [...tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
    expect(parameters).toBeGreaterThan(1_000_000)
    expect(parameters).toBeLessThan(3_000_000)
  })

  test("is normal with standard deviation 0.02, norms 1", () => {
    expect(new Set(asFloat32(tensors.get("model.norm.weight")!))).toEqual(new Set([1]))
    const values = asFloat32(tensors.get("model.embed_tokens.weight")!)
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
    const fourth = values.reduce((sum, value) => sum + (value - mean) ** 4, 0) / values.length
    expect(mean).toBeCloseTo(0, 3)
    expect(Math.sqrt(variance)).toBeCloseTo(0.02, 4)
    expect(fourth / variance ** 2).toBeCloseTo(3, 1)
  })

  test("is the same for the same seed and another for another", () => {
    expect(sha256(randomWeights(configJson))).toBe(sha256(bytes))
    expect(sha256(randomWeights(configJson, 1))).not.toBe(sha256(bytes))
  })
})

describe("the random source", () => {
  test("draws integers evenly and shuffles without loss", () => {
    const random = new SeededRandom(9)
    const counts = new Array<number>(7).fill(0)
    for (let draw = 0; draw < 70_000; draw++) counts[random.below(7)]!++
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
    expect(random.shuffled([1, 2, 3, 4, 5]).toSorted()).toEqual([1, 2, 3, 4, 5])
  })
})

test("the README records the seeds, commands and digests of the committed files", async () => {
  expect(committedText("README.md")).toContain(await recordText())
})
