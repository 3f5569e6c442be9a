// Gated units (Shazeer, arXiv 2002.05202): SwiGLU, silu(gate) · up, and GeGLU, gelu(gate) · up with torch's approximate="tanh".
// Gate and up may have any one shape.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { type Activation, activationVariants } from "#gpu-runner/kernels/variants.ts"
import { expectShape } from "../expect-shape.ts"
import { dispatchElementwise } from "./elementwise.ts"

const gatedActivationKernel = loadKernel("gated_activation", activationVariants())
const gatedActivationBackwardKernel = loadKernel("gated_activation_backward", activationVariants())

export interface GatedActivationGradients {
  readonly dGate: Tensor
  readonly dUp: Tensor
}

/** silu(gate) · up in a new tensor. */
export function swiglu(context: OpContext, gate: Tensor, up: Tensor): Tensor {
  return gatedActivation(context, "silu", gate, up)
}

/** Gradients of swiglu's inputs, from the inputs and dOutput; new tensors. */
export function swigluBackward(
  context: OpContext,
  gate: Tensor,
  up: Tensor,
  dOutput: Tensor,
): GatedActivationGradients {
  return gatedActivationBackward(context, "silu", gate, up, dOutput)
}

/** gelu(gate) · up in a new tensor, gelu(x) = x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³))): transformers' `gelu_pytorch_tanh`. */
export function geglu(context: OpContext, gate: Tensor, up: Tensor): Tensor {
  return gatedActivation(context, "gelu_tanh", gate, up)
}

/** Gradients of geglu's inputs, from the inputs and dOutput; new tensors. */
export function gegluBackward(context: OpContext, gate: Tensor, up: Tensor, dOutput: Tensor): GatedActivationGradients {
  return gatedActivationBackward(context, "gelu_tanh", gate, up, dOutput)
}

function gatedActivation(context: OpContext, activation: Activation, gate: Tensor, up: Tensor): Tensor {
  expectShape("gatedActivation", "up", up, gate.shape)
  const output = context.memory.allocate(gate.shape, "f32", "gated_activation.output")
  const variant = gatedActivationKernel.variants[activation]
  dispatchElementwise(context, gatedActivationKernel, [gate, up, output], output, {}, variant)
  return output
}

function gatedActivationBackward(
  context: OpContext,
  activation: Activation,
  gate: Tensor,
  up: Tensor,
  dOutput: Tensor,
): GatedActivationGradients {
  expectShape("gatedActivationBackward", "up", up, gate.shape)
  expectShape("gatedActivationBackward", "dOutput", dOutput, gate.shape)
  const dGate = context.memory.allocate(gate.shape, "f32", "gated_activation.d_gate")
  const dUp = context.memory.allocate(gate.shape, "f32", "gated_activation.d_up")
  const tensors = [gate, up, dOutput, dGate, dUp]
  const variant = gatedActivationBackwardKernel.variants[activation]
  dispatchElementwise(context, gatedActivationBackwardKernel, tensors, dGate, {}, variant)
  return { dGate, dUp }
}
