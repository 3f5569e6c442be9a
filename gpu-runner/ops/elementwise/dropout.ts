// Inverted dropout whose mask follows from seeds, of the call and of each row, and the element's column: nothing is stored between the
// passes, a run repeated from its seeds drops the same elements on every device, and a row drops the same wherever it stands.
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
  /** Any u32. Another seed gives another mask: use one for each call of a training run (step, layer, module). */
  readonly seed: number
  /** u32 [T] */
  readonly rowSeeds: Tensor
}

/**
 * input [T, C] · 1 / (1 − rate) where the mask keeps, else 0, in a new tensor of the same shape. The backward pass is the same call on
 * dOutput with the same options. Errors: ShapeMismatch for a rate outside of [0, 1) or a seed that is no u32.
 */
export function dropout(context: OpContext, input: Tensor, { rate, seed, rowSeeds }: DropoutOptions): Tensor {
  const [rows, columns] = input.shape as [number, number]
  expectShape("dropout", "input", input, [rows, columns])
  expectShape("dropout", "rowSeeds", rowSeeds, [rows], "u32")
  if (!(rate >= 0 && rate < 1)) throw new ShapeMismatch("dropout", `the rate is ${rate}; it must be in [0, 1)`)
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new ShapeMismatch("dropout", `the seed is ${seed}; it must be a whole number from 0 to 2^32 - 1`)
  }
  const output = context.memory.allocate(input.shape, "f32", "dropout.output")
  const threshold = Math.floor(rate * 2 ** 32)
  const params = { columns, seed, threshold, scale: 1 / (1 - rate) }
  dispatchElementwise(context, dropoutKernel, [input, rowSeeds, output], output, params)
  return output
}
