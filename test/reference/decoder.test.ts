// The oracle itself, against values that follow from the definition alone.
import { describe, expect, it } from "vitest"
import { tensorOf } from "#shared/formats/safetensors.ts"
import { decoderTokenLogProbs } from "./decoder.ts"
import { randomDecoder, randomTokenIds, smallLlamaConfig, weightValues } from "./random-decoder.ts"

const config = smallLlamaConfig()

describe("the Llama oracle", () => {
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
})
