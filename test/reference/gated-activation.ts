// Reference: silu(gate) · up and gelu(gate) · up (torch's approximate="tanh"), and their gradients.
import { type Array64, zeros64 } from "./array64.ts"

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const silu = (x: number) => x * sigmoid(x)
const siluSlope = (x: number) => sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x))

const geluInner = (x: number) => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)
const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(geluInner(x)))
const geluSlope = (x: number) => {
  const bounded = Math.tanh(geluInner(x))
  const innerSlope = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x ** 2)
  return 0.5 * (1 + bounded) + 0.5 * x * (1 - bounded ** 2) * innerSlope
}

function gated(activation: (x: number) => number, gate: Array64, up: Array64): Array64 {
  const output = zeros64(...gate.shape)
  gate.data.forEach((x, i) => {
    output.data[i] = activation(x) * up.data[i]!
  })
  return output
}

function gatedBackward(
  activation: (x: number) => number,
  slope: (x: number) => number,
  gate: Array64,
  up: Array64,
  dOutput: Array64,
) {
  const dGate = zeros64(...gate.shape)
  const dUp = zeros64(...gate.shape)
  gate.data.forEach((x, i) => {
    dGate.data[i] = dOutput.data[i]! * up.data[i]! * slope(x)
    dUp.data[i] = dOutput.data[i]! * activation(x)
  })
  return { gate: dGate, up: dUp }
}

/** silu(gate) · up. */
export function swiglu(gate: Array64, up: Array64): Array64 {
  return gated(silu, gate, up)
}

/** Gradients of gate and up. */
export function swigluBackward(gate: Array64, up: Array64, dOutput: Array64) {
  return gatedBackward(silu, siluSlope, gate, up, dOutput)
}

/** gelu(gate) · up. */
export function geglu(gate: Array64, up: Array64): Array64 {
  return gated(gelu, gate, up)
}

/** Gradients of gate and up. */
export function gegluBackward(gate: Array64, up: Array64, dOutput: Array64) {
  return gatedBackward(gelu, geluSlope, gate, up, dOutput)
}
