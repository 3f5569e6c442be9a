// Elementwise arithmetic: add, scale, axpy, fill, zeros, copy, and Gemma 2's soft cap (attention caps inside its kernels). Tensors of any
// shape, f32.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { type Kernel, type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { expectDistinct, expectShape } from "../expect-shape.ts"

const addKernel = loadKernel("add")
const axpyKernel = loadKernel("axpy")
const fillKernel = loadKernel("fill")
const softCapKernel = loadKernel("soft_cap")

/** Elements that one workgroup of an elementwise kernel covers: 64 invocations of four. */
const ELEMENTS_PER_WORKGROUP = 256

/** Records an elementwise kernel over all Lane4s of `elementsIn`; `tensors` are its bindings. */
export function dispatchElementwise(
  context: OpContext,
  kernel: Kernel,
  tensors: readonly Tensor[],
  elementsIn: Tensor,
  params: Readonly<Record<string, number>> = {},
  variant: KernelVariant = kernel.variants.only!,
): void {
  const elements = elementsIn.byteLength / 4
  context.recorder.dispatch({
    kernel,
    variant,
    tensors,
    params: { lane4_count: Math.ceil(elements / 4), ...params },
    workgroupCount: Math.ceil(elements / ELEMENTS_PER_WORKGROUP),
  })
}

/** left + right, of equal shape, in a new tensor. Gradient: both operands receive d_output as it is. */
export function add(context: OpContext, left: Tensor, right: Tensor): Tensor {
  expectShape("add", "right", right, left.shape)
  const output = context.memory.allocate(left.shape, "f32", "add.output")
  dispatchElementwise(context, addKernel, [left, right, output], output)
  return output
}

/** factor · input in a new tensor. Gradient: factor · d_output. */
export function scale(context: OpContext, input: Tensor, factor: number): Tensor {
  expectShape("scale", "input", input, input.shape)
  const output = context.memory.allocate(input.shape, "f32", "scale.output")
  dispatchElementwise(context, axpyKernel, [input, output], output, { alpha: factor, beta: 0 })
  return output
}

/** output += alpha · input, in place; equal shapes, different buffers. */
export function axpy(context: OpContext, alpha: number, input: Tensor, output: Tensor): void {
  expectShape("axpy", "output", output, input.shape)
  expectDistinct("axpy", output, [input])
  dispatchElementwise(context, axpyKernel, [input, output], output, { alpha, beta: 1 })
}

/** Sets every element. */
export function fill(context: OpContext, output: Tensor, value: number): void {
  expectShape("fill", "output", output, output.shape)
  dispatchElementwise(context, fillKernel, [output], output, { value })
}

/** A new tensor of zeros in the open scope. */
export function zeros(context: OpContext, shape: readonly number[], label: string): Tensor {
  const output = context.memory.allocate(shape, "f32", label)
  context.recorder.clear(output)
  return output
}

/** Copies all elements; equal shape and dtype, different buffers. */
export function copy(context: OpContext, from: Tensor, to: Tensor): void {
  expectShape("copy", "to", to, from.shape, from.dtype)
  if (from.buffer === to.buffer) throw new ShapeMismatch("copy", `${from.label} and ${to.label} share a buffer`)
  context.recorder.copy(from, to)
}

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
