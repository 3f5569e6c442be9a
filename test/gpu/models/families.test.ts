// Every family against its f64 twin: log-probs and every gradient, full fine-tune and LoRA.
// Windows are shorter than the rows, and every family's peculiarities are in use (test/reference/random-decoder.ts).
import { expect } from "vitest"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { decoderPass } from "#test/reference/decoder-backward.ts"
import { FAMILY_NAMES, randomDecoder, weightValues } from "#test/reference/random-decoder.ts"
import { relativeError } from "../compare-op.ts"
import { softwareTest } from "../lanes.ts"
import { compareAdapted, LENGTHS, RANK, TOLERANCE, upstreamFor } from "./compare-adapted.ts"
import { gradientsOf } from "./decoder-passes.ts"
import { randomAdapter, randomRows, tinyFamilyConfig } from "./tiny.ts"

for (const family of FAMILY_NAMES) {
  for (const isTied of [true, false]) {
    const config = tinyFamilyConfig(family, { tie_word_embeddings: isTied })
    const tensors = randomDecoder(config, 7, 1.5)
    const rows = randomRows(config, LENGTHS)

    softwareTest(
      `${family}, full fine-tune, ${isTied ? "tied" : "untied"} head: log-probs and every weight's gradient agree with f64`,
      async (context) => {
        const model = createDecoder(context, { config, tensors }, { positionCount: 32, train: "weights" })
        const reference = decoderPass(config, weightValues(tensors), rows)
        const upstream = upstreamFor(reference.logProbs)
        const actual = await gradientsOf(context, model, rows, upstream)
        expect(relativeError(actual.logProbs, reference.logProbs), "log-probs").toBeLessThan(TOLERANCE)
        const expected = reference.gradients(upstream)
        expect([...actual.gradient.keys()].sort()).toEqual([...expected.keys()].sort())
        for (const [name, gradient] of expected) {
          expect(relativeError(actual.gradient.get(name)!, gradient), name).toBeLessThan(TOLERANCE)
        }
        model.release()
      },
    )
  }

  softwareTest(`${family}, LoRA on all seven modules: log-probs and every A and B agree with f64`, (context) =>
    compareAdapted(context, family, randomAdapter(tinyFamilyConfig(family), RANK, 9)),
  )
}
