// The whole-model reference is itself checked: against the plain forward oracle, and its gradients against finite differences.
import { describe, expect, test } from "vitest"
import { decoderTokenLogProbs } from "./decoder.ts"
import { decoderPass, loraGradients, type ReferencePair, withAdapter } from "./decoder-backward.ts"
import { randomDecoder, randomTokenIds, smallLlamaConfig, weightValues } from "./random-decoder.ts"

const pairOf = (ids: Uint32Array, chosenStart: number, rejectedStart: number): ReferencePair => ({
  promptIds: ids.subarray(0, chosenStart),
  chosenIds: ids.subarray(chosenStart, rejectedStart),
  rejectedIds: ids.subarray(rejectedStart),
})

describe.each([true, false])("tied embeddings: %s", (tie_word_embeddings) => {
  const config = smallLlamaConfig({ tie_word_embeddings })
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

test("LoRA gradients agree with central differences through the folded weight", () => {
  const config = smallLlamaConfig()
  const weights = weightValues(randomDecoder(config, 1))
  const pairs = [pairOf(randomTokenIds(config, 9, 5), 3, 6)]
  const path = "model.layers.1.mlp.up_proj"
  const rank = 2
  const scaling = 1.5
  const wave = (length: number, phase: number) => Float64Array.from({ length }, (_, i) => 0.2 * Math.sin(i + phase))
  const module = { a: wave(rank * config.hiddenSize, 1), b: wave(rank * config.intermediateSize, 2) }
  const passWith = (changed: typeof module) =>
    decoderPass(config, withAdapter(weights, { modules: new Map([[path, changed]]), rank, scaling }), pairs)
  const pass = passWith(module)
  const upstream = pass.logProbs.map((_, i) => Math.cos(i))
  const analytic = loraGradients(pass.gradients(upstream).get(`${path}.weight`)!, module, rank, scaling)
  for (const matrix of ["a", "b"] as const) {
    const at = (shift: number) => {
      const moved = module[matrix].slice()
      moved[7]! += shift
      return passWith({ ...module, [matrix]: moved }).logProbs.reduce((sum, value, i) => sum + upstream[i]! * value, 0)
    }
    expect(Math.abs((at(1e-5) - at(-1e-5)) / 2e-5 - analytic[matrix][7]!)).toBeLessThan(1e-7)
  }
})
