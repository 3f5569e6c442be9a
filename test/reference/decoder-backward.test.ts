// The whole-model reference is itself checked: against the plain forward oracle, and its gradients against finite differences.
import { describe, expect, test } from "vitest"
import { decoderTokenLogProbs } from "./decoder.ts"
import { decoderPass } from "./decoder-backward.ts"
import { loraGradients, withAdapter } from "./lora.ts"
import type { ReferencePair } from "./packed-pairs.ts"
import { normal64 } from "./random.ts"
import {
  FAMILY_NAMES,
  randomDecoder,
  randomTokenIds,
  seededRandom,
  smallConfig,
  smallLlamaConfig,
  weightValues,
} from "./random-decoder.ts"

const pairOf = (ids: Uint32Array, chosenStart: number, rejectedStart: number): ReferencePair => ({
  promptIds: ids.subarray(0, chosenStart),
  chosenIds: ids.subarray(chosenStart, rejectedStart),
  rejectedIds: ids.subarray(rejectedStart),
})

const configs = [
  ["llama, tied head", smallConfig("llama", { tie_word_embeddings: true })] as const,
  ["gemma2, untied head", smallConfig("gemma2", { tie_word_embeddings: false })] as const,
  ...FAMILY_NAMES.map((family) => [family, smallConfig(family)] as const),
]

describe.each(configs)("%s", (_name, config) => {
  const weights = weightValues(randomDecoder(config, 1, 1.5))
  const pairs = [pairOf(randomTokenIds(config, 12, 3), 4, 9), pairOf(randomTokenIds(config, 7, 4), 1, 2)]

  test("shared-prefix log-probs equal those of each response on its own", () => {
    const { logProbs } = decoderPass(config, weights, pairs)
    const alone = pairs.flatMap(({ promptIds, chosenIds, rejectedIds }) =>
      [chosenIds, rejectedIds].flatMap((response) => {
        const ids = [...Array.from(promptIds), ...Array.from(response)]
        return [...decoderTokenLogProbs(config, weights, ids, promptIds.length)]
      }),
    )
    expect(alone.length).toBe(logProbs.length)
    const worst = alone.reduce((most, value, i) => Math.max(most, Math.abs(value - logProbs[i]!)), 0)
    expect(worst).toBeLessThan(1e-12)
  })

  test("gradients agree with central differences for an element of every weight", () => {
    const { logProbs, gradients } = decoderPass(config, weights, pairs)
    const upstream = logProbs.map((_, i) => Math.sin(i + 1))
    const analytic = gradients(upstream)
    expect([...analytic.keys()].sort()).toEqual([...weights.keys()].sort())
    const width = 1e-5
    for (const [name, values] of weights) {
      const element = Math.floor(values.length / 3)
      const at = (shift: number) => {
        const moved = Float64Array.from(values)
        moved[element]! += shift
        const pass = decoderPass(config, new Map([...weights, [name, moved]]), pairs)
        return pass.logProbs.reduce((sum, value, i) => sum + upstream[i]! * value, 0)
      }
      const slope = (at(width) - at(-width)) / (2 * width)
      expect(Math.abs(slope - analytic.get(name)![element]!), name).toBeLessThan(1e-6)
    }
  })
})

test("the hidden rows' own gradients agree with central differences", () => {
  const config = smallConfig("gemma3")
  const weights = weightValues(randomDecoder(config, 1))
  const pairs = [pairOf(randomTokenIds(config, 9, 5), 3, 6)]
  const pass = decoderPass(config, weights, pairs)
  const dHidden = normal64("dHidden", pass.hidden.shape)
  const analytic = pass.gradients(new Float64Array(pass.logProbs.length), dHidden)
  const name = "model.layers.0.self_attn.k_proj.weight"
  const at = (shift: number) => {
    const moved = Float64Array.from(weights.get(name)!)
    moved[11]! += shift
    const { hidden } = decoderPass(config, new Map([...weights, [name, moved]]), pairs)
    return hidden.data.reduce((sum, value, i) => sum + dHidden.data[i]! * value, 0)
  }
  expect(Math.abs((at(1e-5) - at(-1e-5)) / 2e-5 - analytic.get(name)![11]!)).toBeLessThan(1e-6)
})

describe("LoRA beside the frozen weights", () => {
  const config = smallLlamaConfig()
  const weights = weightValues(randomDecoder(config, 1))
  const pairs = [pairOf(randomTokenIds(config, 9, 5), 3, 6)]
  const path = "model.layers.1.mlp.up_proj"
  const [rank, scaling] = [2, 1.5]
  const wave = (length: number, phase: number) => Float64Array.from({ length }, (_, i) => 0.2 * Math.sin(i + phase))
  const module = { a: wave(rank * config.hiddenSize, 1), b: wave(rank * config.intermediateSize, 2) }
  const upstreamOf = (values: Float64Array) => values.map((_, i) => Math.cos(i))

  test("is the weight with the update folded in, and so are its gradients", () => {
    const adapter = { modules: new Map([[path, module]]), rank, scaling }
    const beside = decoderPass(config, weights, pairs, adapter)
    const folded = decoderPass(config, withAdapter(weights, adapter), pairs)
    folded.logProbs.forEach((value, i) => {
      expect(beside.logProbs[i]).toBeCloseTo(value, 12)
    })
    const upstream = upstreamOf(folded.logProbs)
    const gradients = beside.gradients(upstream)
    const expected = loraGradients(folded.gradients(upstream).get(`${path}.weight`)!, module, rank, scaling)
    for (const [letter, ofMatrix] of [["A", expected.a] as const, ["B", expected.b] as const]) {
      ofMatrix.forEach((value, i) => {
        expect(gradients.get(`${path}.lora_${letter}`)![i]).toBeCloseTo(value, 12)
      })
    }
  })

  test("with dropout has gradients that agree with central differences", () => {
    const random = seededRandom(3)
    const factors = Float64Array.from({ length: 9 * config.hiddenSize }, () => (random() < 0.3 ? 0 : 1 / 0.7))
    const passWith = (changed: typeof module, moved = weights) =>
      decoderPass(config, moved, pairs, { modules: new Map([[path, changed]]), rank, scaling, mask: () => factors })
    const pass = passWith(module)
    const upstream = upstreamOf(pass.logProbs)
    const analytic = pass.gradients(upstream)
    const objective = ({ logProbs }: typeof pass) => logProbs.reduce((sum, value, i) => sum + upstream[i]! * value, 0)
    for (const [matrix, letter] of [["a", "A"] as const, ["b", "B"] as const]) {
      const at = (shift: number) => {
        const moved = module[matrix].slice()
        moved[7]! += shift
        return objective(passWith({ ...module, [matrix]: moved }))
      }
      const expected = (at(1e-5) - at(-1e-5)) / 2e-5
      expect(Math.abs(expected - analytic.get(`${path}.lora_${letter}`)![7]!), letter).toBeLessThan(1e-7)
    }
    const early = "model.layers.0.mlp.down_proj.weight"
    const at = (shift: number) => {
      const moved = Float64Array.from(weights.get(early)!)
      moved[5]! += shift
      return objective(passWith(module, new Map([...weights, [early, moved]])))
    }
    expect(Math.abs((at(1e-5) - at(-1e-5)) / 2e-5 - analytic.get(early)![5]!)).toBeLessThan(1e-7)
  })
})
