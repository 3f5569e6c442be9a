// SwiGLU: silu(gate) · up (Shazeer, arXiv 2002.05202).
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { swigluKernel } from "#gpu-runner/kernels/swiglu.ts"
import { swigluBackwardKernel } from "#gpu-runner/kernels/swiglu_backward.ts"
import { dispatchElementwise } from "./elementwise.ts"
import { expectShape } from "./expect-shape.ts"

/** silu(gate) · up, all of one shape, in a new tensor. */
export function swiglu(context: OpContext, gate: Tensor, up: Tensor): Tensor {
  expectShape("swiglu", "up", up, gate.shape)
  const output = context.memory.allocate(gate.shape, "f32", "swiglu.output")
  dispatchElementwise(context, swigluKernel, [gate, up, output], output)
  return output
}

/** Gradients of both inputs, from the inputs and dOutput; new tensors. */
export function swigluBackward(
  context: OpContext,
  gate: Tensor,
  up: Tensor,
  dOutput: Tensor,
): { readonly dGate: Tensor; readonly dUp: Tensor } {
  expectShape("swigluBackward", "up", up, gate.shape)
  expectShape("swigluBackward", "dOutput", dOutput, gate.shape)
  const dGate = context.memory.allocate(gate.shape, "f32", "swiglu.d_gate")
  const dUp = context.memory.allocate(gate.shape, "f32", "swiglu.d_up")
  dispatchElementwise(context, swigluBackwardKernel, [gate, up, dOutput, dGate, dUp], dGate)
  return { dGate, dUp }
}
