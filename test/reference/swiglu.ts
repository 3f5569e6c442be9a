// Reference: silu(gate) · up and its gradients.
import { type Array64, zeros64 } from "./array64.ts"

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

/** silu(gate) · up. */
export function swiglu(gate: Array64, up: Array64): Array64 {
  const output = zeros64(...gate.shape)
  gate.data.forEach((x, i) => {
    output.data[i] = x * sigmoid(x) * up.data[i]!
  })
  return output
}

/** Gradients of gate and up. */
export function swigluBackward(gate: Array64, up: Array64, dOutput: Array64) {
  const dGate = zeros64(...gate.shape)
  const dUp = zeros64(...gate.shape)
  gate.data.forEach((x, i) => {
    const s = sigmoid(x)
    dGate.data[i] = dOutput.data[i]! * up.data[i]! * (s + x * s * (1 - s))
    dUp.data[i] = dOutput.data[i]! * x * s
  })
  return { gate: dGate, up: dUp }
}
