// Elementwise arithmetic: add, scale, axpy, fill, zeros, copy. Tensors of any shape, f32.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { type Kernel, type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { expectDistinct, expectShape } from "../expect-shape.ts"

const addKernel = loadKernel("add")
const axpyKernel = loadKernel("axpy")
const fillKernel = loadKernel("fill")

/** Elements that one workgroup of an elementwise kernel covers: 64 invocations of four. */
const ELEMENTS_PER_WORKGROUP = 256

type ElementwiseKernel = Kernel & { readonly variants: { readonly only: object } }

/** Records an elementwise kernel over all Lane4s of `tensors[0]`; `tensors` are its bindings. */
export function dispatchElementwise(
  context: OpContext,
  kernel: ElementwiseKernel,
  tensors: readonly Tensor[],
  elementsIn: Tensor,
  params: Readonly<Record<string, number>> = {},
): void {
  dispatchElementwiseVariant(context, kernel, kernel.variants.only, tensors, elementsIn, params)
}

/** As dispatchElementwise, for a kernel with a choice of variants. */
export function dispatchElementwiseVariant(
  context: OpContext,
  kernel: Kernel,
  variant: KernelVariant,
  tensors: readonly Tensor[],
  elementsIn: Tensor,
  params: Readonly<Record<string, number>> = {},
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
