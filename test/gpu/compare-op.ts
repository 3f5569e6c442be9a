// Compares one op with its f64 reference: forward, every gradient, and bit-equality of a second run. The reference's gradients are
// first checked against finite differences, so that an error shared by both backward passes cannot hide.
import { expect } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import type { Array64 } from "#test/reference/array64.ts"
import { finiteDifferenceError, type Inputs64 } from "#test/reference/finite-differences.ts"
import { normal64 } from "#test/reference/random.ts"

type Tensors = Readonly<Record<string, Tensor>>

export interface OpCase<Inputs extends Inputs64> {
  readonly inputs: Inputs
  readonly reference: {
    readonly forward: (inputs: Inputs) => Array64
    readonly backward: (inputs: Inputs, dOutput: Array64) => Inputs64
  }
  readonly device: {
    readonly forward: (context: OpContext, tensors: Record<keyof Inputs, Tensor>) => Tensor
    /** Gradients by input name; may run the forward pass again for what it saves. */
    readonly backward: (context: OpContext, tensors: Record<keyof Inputs, Tensor>, dOutput: Tensor) => Tensors
  }
  /** Largest difference relative to the reference's largest absolute value. */
  readonly tolerance?: number
  /** The least that counts as a tensor's largest value, for gradients that are exactly 0 but for rounding. */
  readonly smallestScale?: number
}

const DEFAULT_TOLERANCE = 1e-4
const FINITE_DIFFERENCE_TOLERANCE = 1e-5

/** Uploads an array as f32 into the open scope. */
export function uploaded64(context: OpContext, array: Array64, label: string): Tensor {
  return uploaded(context, Float32Array.from(array.data), array.shape, label)
}

/** Largest |actual - expected| relative to the largest |expected|. NaN on the device counts as infinite. */
export function relativeError(actual: Float32Array, expected: Float64Array, smallestScale = 1e-12): number {
  expect(actual.length).toBe(expected.length)
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), smallestScale)
  return actual.reduce((worst, value, i) => {
    const difference = Math.abs(value - expected[i]!) / largest
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference)
  }, 0)
}

/** Runs the comparison described at the head of this file; fails with the name of the tensor that differs. */
export async function compareOp<Inputs extends Inputs64>(context: OpContext, op: OpCase<Inputs>): Promise<void> {
  const tolerance = op.tolerance ?? DEFAULT_TOLERANCE
  const expected = op.reference.forward(op.inputs)
  const dOutput = normal64("dOutput", expected.shape)
  const gradients = op.reference.backward(op.inputs, dOutput)
  const referenceError = finiteDifferenceError(op.inputs, op.reference.forward as never, dOutput, gradients)
  expect(referenceError, "the reference's own gradients").toBeLessThan(FINITE_DIFFERENCE_TOLERANCE)

  const first = await runOnDevice(context, op, dOutput)
  expect(relativeError(first.output!, expected.data), "output").toBeLessThan(tolerance)
  for (const [name, gradient] of Object.entries(gradients)) {
    expect(relativeError(first[name]!, gradient.data, op.smallestScale), `gradient of ${name}`).toBeLessThan(tolerance)
  }
  const second = await runOnDevice(context, op, dOutput)
  for (const name in first) expect(bits(second[name]!), `${name}, second run`).toEqual(bits(first[name]!))
}

async function runOnDevice<Inputs extends Inputs64>(context: OpContext, op: OpCase<Inputs>, dOutput: Array64) {
  const scope = context.memory.openScope()
  try {
    const entries = Object.entries(op.inputs).map(([name, array]) => [name, uploaded64(context, array, name)] as const)
    const tensors = Object.fromEntries(entries) as Record<keyof Inputs, Tensor>
    const output = op.device.forward(context, tensors)
    const gradients = op.device.backward(context, tensors, uploaded64(context, dOutput, "dOutput"))
    const names = ["output", ...Object.keys(gradients)]
    const values = await readback(context, [output, ...Object.values(gradients)])
    return Object.fromEntries(names.map((name, i) => [name, values[i]!] as const)) as Record<string, Float32Array>
  } finally {
    scope.close()
  }
}

function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length)
}
