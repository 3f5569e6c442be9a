// A decoder with an adapter against its f64 twin: log-probs and the gradient of every A and B.
import { expect } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { AdapterDropout } from "#gpu-runner/models/adapter-dropout.ts"
import { createDecoder, withDropout } from "#gpu-runner/models/decoder-parameters.ts"
import { type Adapter, adapterTensorName } from "#shared/formats/peft/adapter.ts"
import type { Array64 } from "#test/reference/array64.ts"
import { decoderPass, type ReferenceAdapter } from "#test/reference/decoder-backward.ts"
import { type FamilyName, randomDecoder, weightValues } from "#test/reference/random-decoder.ts"
import { relativeError } from "../compare-op.ts"
import { gradientsOf } from "./decoder-passes.ts"
import { randomRows, tinyFamilyConfig } from "./tiny.ts"

/** Prompt, chosen and rejected tokens of the rows that are compared. */
export const LENGTHS = [
  [5, 7, 4],
  [1, 1, 9],
  [12, 3, 1],
] as const
/** Of the tensor's largest element. */
export const TOLERANCE = 1e-4
export const RANK = 4

/** Some upstream gradient for each value, exact in f32. */
export function upstreamFor(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values, (_, i) => Math.fround(Math.sin(i + 1)))
}

/** Runs a tiny model of a family with an adapter and compares log-probs and every A's and B's gradient with the reference. */
export async function compareAdapted(
  context: OpContext,
  family: FamilyName,
  adapter: Adapter,
  options: {
    readonly dropout?: AdapterDropout
    readonly dHidden?: Array64
    readonly mask?: ReferenceAdapter["mask"]
    /** Of a tensor's largest element; TOLERANCE by default. */
    readonly tolerance?: number
  } = {},
): Promise<void> {
  const config = tinyFamilyConfig(family)
  const tensors = randomDecoder(config, 8, 1.5)
  const rows = randomRows(config, LENGTHS)
  const model = createDecoder(context, { config, tensors }, { positionCount: 32, adapter, train: "adapter" })
  const { modules, scaling, settings } = adapter
  const { dropout, dHidden, mask, tolerance = TOLERANCE } = options
  const reference = decoderPass(config, weightValues(tensors), rows, { modules, rank: settings.rank, scaling, mask })
  const upstream = upstreamFor(reference.logProbs)
  const actual = await gradientsOf(context, withDropout(model, dropout), rows, upstream, dHidden)
  expect(relativeError(actual.logProbs, reference.logProbs), "log-probs").toBeLessThan(tolerance)
  const expected = reference.gradients(upstream, dHidden)
  expect(actual.gradient.size).toBe(2 * modules.size)
  for (const path of modules.keys()) {
    for (const letter of ["A", "B"] as const) {
      const name = adapterTensorName(path, letter)
      const error = relativeError(actual.gradient.get(name)!, expected.get(`${path}.lora_${letter}`)!)
      expect(error, name).toBeLessThan(tolerance)
    }
  }
  model.release()
}
