// Every family against its f64 twin: log-probs and every gradient, full fine-tune and LoRA.
// Windows are shorter than the rows, and every family's peculiarities are in use (test/reference/random-decoder.ts).
import { expect } from "vitest"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { adapterTensorName } from "#shared/formats/peft.ts"
import { decoderPass } from "#test/reference/decoder-backward.ts"
import { FAMILY_NAMES, randomDecoder, weightValues } from "#test/reference/random-decoder.ts"
import { relativeError } from "../compare-op.ts"
import { softwareTest } from "../lanes.ts"
import { gradientsOf } from "./decoder-passes.ts"
import { randomAdapter, randomRows, tinyFamilyConfig } from "./tiny.ts"

const LENGTHS = [
  [5, 7, 4],
  [1, 1, 9],
  [12, 3, 1],
] as const
const TOLERANCE = 1e-4
const RANK = 4

const upstreamFor = (values: ArrayLike<number>) => Float64Array.from(values, (_, i) => Math.fround(Math.sin(i + 1)))

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

  softwareTest(`${family}, LoRA on all seven modules: log-probs and every A and B agree with f64`, async (context) => {
    const config = tinyFamilyConfig(family)
    const tensors = randomDecoder(config, 8, 1.5)
    const rows = randomRows(config, LENGTHS)
    const adapter = randomAdapter(config, RANK, 9)
    const model = createDecoder(context, { config, tensors }, { positionCount: 32, adapter, train: "adapter" })
    const { modules, scaling } = adapter
    const reference = decoderPass(config, weightValues(tensors), rows, { modules, rank: RANK, scaling })
    const upstream = upstreamFor(reference.logProbs)
    const actual = await gradientsOf(context, model, rows, upstream)
    expect(relativeError(actual.logProbs, reference.logProbs), "log-probs").toBeLessThan(TOLERANCE)
    const expected = reference.gradients(upstream)
    expect(actual.gradient.size).toBe(2 * modules.size)
    for (const path of modules.keys()) {
      for (const letter of ["A", "B"] as const) {
        const name = adapterTensorName(path, letter)
        const error = relativeError(actual.gradient.get(name)!, expected.get(`${path}.lora_${letter}`)!)
        expect(error, name).toBeLessThan(TOLERANCE)
      }
    }
    model.release()
  })
}
