// The oracle itself, against values that follow from the definition alone.
import { describe, expect, it } from "vitest"
import { tensorOf } from "#shared/formats/weights/safetensors.ts"
import { decoderTokenLogProbs } from "./decoder.ts"
import {
  FAMILY_NAMES,
  randomDecoder,
  randomTokenIds,
  smallConfig,
  smallLlamaConfig,
  weightValues,
} from "./random-decoder.ts"

const config = smallLlamaConfig()

describe("the oracle", () => {
  it("gives −ln V for every token when the head is zero", () => {
    const tensors = randomDecoder(config, 1)
    tensors.set("lm_head.weight", tensorOf("lm_head.weight", [53, 24], new Float32Array(53 * 24)))
    const logProbs = decoderTokenLogProbs(config, weightValues(tensors), [1, 2, 3, 4], 2)
    expect(logProbs.length).toBe(2)
    for (const value of logProbs) expect(value).toBeCloseTo(-Math.log(53), 14)
  })

  it("gives probabilities that sum to one over the vocabulary", () => {
    const weights = weightValues(randomDecoder(config, 2))
    let total = 0
    for (let id = 0; id < config.vocabularySize; id++)
      total += Math.exp(decoderTokenLogProbs(config, weights, [5, 6, id], 2)[0]!)
    expect(total).toBeCloseTo(1, 12)
  })

  it("never looks ahead: later tokens leave earlier log-probs alone", () => {
    const weights = weightValues(randomDecoder(config, 3))
    const ids = randomTokenIds(config, 9, 4)
    const whole = decoderTokenLogProbs(config, weights, ids, 3)
    const beginning = decoderTokenLogProbs(config, weights, ids.subarray(0, 6), 3)
    expect([...beginning]).toEqual([...whole.subarray(0, 3)])
  })

  it("attends over equal tokens as over one, since attention is an average", () => {
    const single = smallLlamaConfig({ num_hidden_layers: 1 })
    const weights = weightValues(randomDecoder(single, 5))
    const repeated = decoderTokenLogProbs(single, weights, [7, 7, 7, 7, 8], 4)[0]!
    expect(repeated).toBeCloseTo(decoderTokenLogProbs(single, weights, [7, 8], 1)[0]!, 12)
  })

  it.each(FAMILY_NAMES)("gives probabilities that sum to one in family %s", (family) => {
    const config = smallConfig(family)
    const weights = weightValues(randomDecoder(config, 2))
    let total = 0
    for (let id = 0; id < config.vocabularySize; id++)
      total += Math.exp(decoderTokenLogProbs(config, weights, [5, 6, id], 2)[0]!)
    expect(total).toBeCloseTo(1, 12)
  })

  it("forgets what lies before the window: a single windowed layer depends on the last tokens only", () => {
    const config = smallConfig("mistral", { num_hidden_layers: 1, sliding_window: 3 })
    const weights = weightValues(randomDecoder(config, 6))
    const of = (...ids: number[]) => decoderTokenLogProbs(config, weights, ids, 5)[0]!
    expect(of(9, 8, 3, 4, 5, 6)).toBe(of(1, 2, 3, 4, 5, 6))
    expect(of(9, 8, 7, 4, 5, 6)).not.toBe(of(1, 2, 3, 4, 5, 6))
  })

  it("bounds capped logits: with a final cap no log-prob falls below −(2·cap + ln V)", () => {
    const config = smallConfig("gemma2", { final_logit_softcapping: 0.5 })
    const weights = weightValues(randomDecoder(config, 7, 20))
    for (const value of decoderTokenLogProbs(config, weights, [1, 2, 3, 4, 5, 6], 1)) {
      expect(value).toBeGreaterThan(-(2 * 0.5 + Math.log(53)))
      expect(value).toBeLessThan(2 * 0.5 - Math.log(53))
    }
  })
})
