// Generated text is what the training's own forward pass says, for every family: greedy ids are its argmax at every position, and the sum
// of log-probs is its sum. Prompts and responses cross pages, and sequences join and end beside each other.
import { expect } from "vitest"
import { createContext } from "#gpu-runner/device/context.ts"
import { openGenerator } from "#gpu-runner/generation/open-generator.ts"
import { mostLikely } from "#gpu-runner/generation/sampling.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { isFullRun } from "#test/full-run.ts"
import { FAMILY_NAMES, randomDecoder } from "#test/reference/random-decoder.ts"
import { softwareTest } from "../lanes.ts"
import { randomAdapter, tinyFamilyConfig } from "../models/tiny.ts"
import { answersOf, lengthsOf, requestOf } from "./requests.ts"
import { teacherForced } from "./teacher-forced.ts"

const TOKENS = isFullRun ? 200 : 64
const POSITIONS = 256

for (const family of FAMILY_NAMES) {
  softwareTest(
    `${family}: ${TOKENS} greedy tokens are the training's argmax at every position, and their log-probs its own`,
    async ({ gpu }) => {
      const config = tinyFamilyConfig(family, { max_position_embeddings: POSITIONS, tie_word_embeddings: false })
      const source = { config, tensors: randomDecoder(config, 7, 1.5) }
      const adapter = randomAdapter(config, 4, 9)
      const sampled = requestOf(config, 20, TOKENS, { sampling: { temperature: 1, topP: 0.9 } })
      const requests = [...[1, 31, 32, 33].map((length) => requestOf(config, length, TOKENS - (length % 3))), sampled]
      const generator = openGenerator(gpu, { source, adapter, sequences: lengthsOf(requests), batch: 3 })
      const answers = await answersOf(generator, requests)
      generator.close()
      expect(new Set(answers.flatMap(({ ids }) => ids)).size, "different tokens that were said").toBeGreaterThan(20)
      const context = createContext(gpu, "tuned", { precision: "f32" })
      const model = createDecoder(context, source, { positionCount: POSITIONS, adapter })
      for (const [index, { promptIds, maxTokens }] of requests.entries()) {
        const { ids, sumLogProb, finishReason } = answers[index]!
        expect(finishReason).toBe("length")
        expect(ids).toHaveLength(maxTokens)
        const expected = await teacherForced(context, model, promptIds, ids)
        if (requests[index] !== sampled) expect(ids, `prompt ${index}`).toEqual(expected.logits.map(mostLikely))
        expect(Math.abs(sumLogProb - expected.sumLogProb), `prompt ${index}`).toBeLessThan(1e-4)
      }
      model.release()
    },
  )
}
