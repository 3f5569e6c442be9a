// Gemma 2's soft cap: cap · tanh(x / cap). Attention caps inside its kernels; logits are capped in place by this op.

import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { expectShape } from "../expect-shape.ts"
import { dispatchElementwise } from "./elementwise.ts"

const softCapKernel = loadKernel("soft_cap")

/** The cap as a kernel parameter: 0 stands for none. A cap that is no positive finite number is a ShapeMismatch. */
export function softCapParam(op: string, softCap: number | undefined): number {
  if (softCap === undefined) return 0
  if (!(softCap > 0 && Number.isFinite(softCap))) {
    throw new ShapeMismatch(op, `the soft cap is ${softCap}; it must be a positive finite number, or left out for none`)
  }
  return softCap
}

/** values = softCap · tanh(values / softCap), in place, any shape. Its gradient is dValues · (1 − (capped / softCap)²). */
export function capInPlace(context: OpContext, values: Tensor, softCap: number): void {
  expectShape("capInPlace", "values", values, values.shape)
  dispatchElementwise(context, softCapKernel, [values], values, { soft_cap: softCapParam("capInPlace", softCap) })
}
