// Inverted dropout whose mask follows from a seed and the element's place: nothing is stored between the passes, and a run repeated
// from its seeds drops the same elements on every device.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { expectShape } from "../expect-shape.ts"
import { dispatchElementwise } from "./elementwise.ts"

const dropoutKernel = loadKernel("dropout")

export interface DropoutOptions {
  /** Probability of dropping an element, in [0, 1); held to a multiple of 2^-32. */
  readonly rate: number
  /** Any u32. Another seed gives another mask: use one for each call of a training run (step, micro-batch, layer, module). */
  readonly seed: number
}

/**
 * input · 1 / (1 − rate) where the mask keeps, else 0, in a new tensor of the same shape. The backward pass is the same call on
 * dOutput with the same options. Errors: ShapeMismatch for a rate outside of [0, 1) or a seed that is no u32.
 */
export function dropout(context: OpContext, input: Tensor, { rate, seed }: DropoutOptions): Tensor {
  expectShape("dropout", "input", input, input.shape)
  if (!(rate >= 0 && rate < 1)) throw new ShapeMismatch("dropout", `the rate is ${rate}; it must be in [0, 1)`)
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new ShapeMismatch("dropout", `the seed is ${seed}; it must be a whole number from 0 to 2^32 - 1`)
  }
  const output = context.memory.allocate(input.shape, "f32", "dropout.output")
  const threshold = Math.floor(rate * 2 ** 32)
  dispatchElementwise(context, dropoutKernel, [input, output], output, { seed, threshold, scale: 1 / (1 - rate) })
  return output
}
