// The small ops against their f64 references: forward and every gradient.
import { expect } from "vitest"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { add, capInPlace, scale, zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { geglu, gegluBackward, swiglu, swigluBackward } from "#gpu-runner/ops/elementwise/gated-activation.ts"
import { sumOfSquares } from "#gpu-runner/ops/optimiser/reduce.ts"
import { rmsNorm, rmsNormBackward } from "#gpu-runner/ops/rows/rms-norm.ts"
import { createRopeTable, rope, ropeBackward } from "#gpu-runner/ops/rows/rope.ts"
import { addRowBias, gatherRows, groupRows, rowBiasBackward, scatterAddRows } from "#gpu-runner/ops/rows/rows.ts"
import { array64 } from "#test/reference/array64.ts"
import {
  geglu as geglu64,
  gegluBackward as gegluBackward64,
  swiglu as swiglu64,
  swigluBackward as swigluBackward64,
} from "#test/reference/gated-activation.ts"
import { normal64, randomIndices } from "#test/reference/random.ts"
import { rmsNorm as rmsNorm64, rmsNormBackward as rmsNormBackward64 } from "#test/reference/rms-norm.ts"
import { rope as rope64 } from "#test/reference/rope.ts"
import { addRowBias as addRowBias64, addRowBiasBackward } from "#test/reference/row-bias.ts"
import { gatherRows as gatherRows64, gatherRowsBackward } from "#test/reference/rows.ts"
import { compareOp, uploaded64 } from "./compare-op.ts"
import { executingTest } from "./lanes.ts"

const GATED = {
  swiglu: { forward: swiglu, backward: swigluBackward, forward64: swiglu64, backward64: swigluBackward64 },
  geglu: { forward: geglu, backward: gegluBackward, forward64: geglu64, backward64: gegluBackward64 },
}

const ROW_SHAPES = [
  [1, 1],
  [1, 4],
  [3, 5],
  [65, 36],
  [130, 68],
] as const

for (const [rows, columns] of ROW_SHAPES) {
  for (const weightOffset of [0, 1]) {
    executingTest(`rmsNorm of [${rows}, ${columns}] with weights from ${weightOffset} agrees with f64`, (context) => {
      // With one column the output is ±weight and its gradient vanishes with epsilon: only rounding would be left to compare.
      const epsilon = columns === 1 ? 0.1 : 1e-5
      return compareOp(context, {
        inputs: {
          input: normal64("input", [rows, columns], { outlierEvery: 13 }),
          weight: normal64("weight", [columns]),
        },
        reference: {
          forward: ({ input, weight }) => rmsNorm64(input, weight, epsilon, weightOffset),
          backward: ({ input, weight }, dOutput) => rmsNormBackward64(input, weight, epsilon, dOutput, weightOffset),
        },
        device: {
          forward: (ctx, { input, weight }) => rmsNorm(ctx, input, weight, { epsilon, weightOffset }).output,
          backward: (ctx, { input, weight }, dOutput) => {
            const { inverseRms } = rmsNorm(ctx, input, weight, { epsilon, weightOffset })
            const dWeight = zeros(ctx, [columns], "dWeight")
            const saved = { input, weight, inverseRms, dOutput }
            return { input: rmsNormBackward(ctx, saved, { dWeight, weightOffset }), weight: dWeight }
          },
        },
      })
    })
  }

  for (const [name, { forward, backward, forward64, backward64 }] of Object.entries(GATED)) {
    executingTest(`${name} of [${rows}, ${columns}] and its gradients agree with f64`, (context) =>
      compareOp(context, {
        inputs: {
          gate: normal64("gate", [rows, columns], { scale: 3, outlierEvery: 11 }),
          up: normal64("up", [rows, columns], { outlierEvery: 7 }),
        },
        reference: {
          forward: ({ gate, up }) => forward64(gate, up),
          backward: ({ gate, up }, dOutput) => backward64(gate, up, dOutput),
        },
        device: {
          forward: (ctx, { gate, up }) => forward(ctx, gate, up),
          backward: (ctx, { gate, up }, dOutput) => {
            const { dGate, dUp } = backward(ctx, gate, up, dOutput)
            return { gate: dGate, up: dUp }
          },
        },
      }),
    )
  }

  executingTest(`a bias on the rows of [${rows}, ${columns}] and its gradients agree with f64`, (context) =>
    compareOp(context, {
      inputs: { input: normal64("input", [rows, columns]), bias: normal64("bias", [columns], { outlierEvery: 3 }) },
      reference: {
        forward: ({ input, bias }) => addRowBias64(input, bias),
        backward: (_, dOutput) => addRowBiasBackward(dOutput),
      },
      device: {
        forward: (ctx, { input, bias }) => addRowBias(ctx, input, bias),
        backward: (ctx, _, dOutput) => {
          const dBias = zeros(ctx, [columns], "dBias")
          rowBiasBackward(ctx, dOutput, dBias)
          return { input: dOutput, bias: dBias }
        },
      },
    }),
  )

  executingTest(`gathering from a table of [${rows}, ${columns}] adds the gradients of repeated rows up`, (context) => {
    const ids = randomIndices("ids", 41, rows)
    return compareOp(context, {
      inputs: { table: normal64("table", [rows, columns]) },
      reference: {
        forward: ({ table }) => gatherRows64(table, ids),
        backward: ({ table }, dOutput) => ({ table: gatherRowsBackward(table, ids, dOutput) }),
      },
      device: {
        forward: (ctx, { table }) => gatherRows(ctx, table, uploaded(ctx, ids, [ids.length], "ids")),
        backward: (ctx, _, dOutput) => {
          const dTable = zeros(ctx, [rows, columns], "dTable")
          scatterAddRows(ctx, groupRows(ctx, ids, "ids"), dOutput, dTable)
          return { table: dTable }
        },
      },
    })
  })
}

for (const [headCount, headSize] of [
  [1, 2],
  [3, 8],
  [2, 30],
] as const) {
  executingTest(
    `rope turns ${headCount} heads of ${headSize} by their positions, and its gradient turns back`,
    (context) => {
      const positions = Uint32Array.from([0, 1, 2, 700, 1, 8191, 3])
      const options = { positions, headSize, theta: 10_000 }
      return compareOp(context, {
        inputs: { input: normal64("input", [7, headCount * headSize]) },
        reference: {
          forward: ({ input }) => rope64(input, options),
          backward: (_, dOutput) => ({ input: rope64(dOutput, options, -1) }),
        },
        device: {
          forward: (ctx, { input }) => {
            const table = createRopeTable(ctx, { positionCount: 8192, headSize, theta: 10_000 })
            return rope(ctx, input, uploaded(ctx, positions, [7], "positions"), table)
          },
          backward: (ctx, _, dOutput) => {
            const table = createRopeTable(ctx, { positionCount: 8192, headSize, theta: 10_000 })
            return { input: ropeBackward(ctx, dOutput, uploaded(ctx, positions, [7], "positions"), table) }
          },
        },
      })
    },
  )
}

executingTest(
  "geglu keeps its accuracy far from 0, where the cube overflows, and near it, where tanh vanishes",
  async (context) => {
    const gate = array64([-3e38, -1e13, -90, -11, -5, -3, -1e-4, 0, 1e-6, 0.5, 5, 11, 90, 1e13, 3e38])
    const up = array64(Array.from({ length: gate.data.length }, () => 1))
    const inputs = [uploaded64(context, gate, "gate"), uploaded64(context, up, "up")] as const
    const dOutput = uploaded64(context, up, "dOutput")
    const [output, dGate] = await readback(context, [
      geglu(context, ...inputs),
      gegluBackward(context, ...inputs, dOutput).dGate,
    ])
    const rounded = { ...gate, data: gate.data.map(Math.fround) }
    const slopes = gegluBackward64(rounded, up, up).gate.data
    geglu64(rounded, up).data.forEach((expected, i) => {
      // Below -10 both are below 1e-22 and count as 0; in f64 the slope at ±3e38 is infinity · 0.
      const [value, slope] =
        Math.abs(gate.data[i]!) > 10
          ? [Math.max(0, rounded.data[i]!), gate.data[i]! > 0 ? 1 : 0]
          : [expected, slopes[i]!]
      expect(Math.abs(output![i]! - value), `gelu(${gate.data[i]})`).toBeLessThanOrEqual(1e-5 * Math.abs(value) + 1e-20)
      expect(Math.abs(dGate![i]! - slope), `slope at ${gate.data[i]}`).toBeLessThanOrEqual(
        1e-5 * Math.abs(slope) + 1e-20,
      )
    })
  },
)

executingTest("a soft cap is exact to rounding from the smallest values to the largest", async (context) => {
  const values = array64([-3e38, -1e4, -100, -31, -18.7, -1, -1e-3, -1e-20, 0, 1e-8, 0.3, 18.8, 30, 300, 3e38])
  const tensor = uploaded64(context, values, "values")
  capInPlace(context, tensor, 30)
  const [capped] = await readback(context, [tensor])
  values.data.forEach((x, i) => {
    const expected = 30 * Math.tanh(Math.fround(x) / 30)
    expect(Math.abs(capped![i]! - expected), `cap of ${x}`).toBeLessThanOrEqual(4e-7 * Math.abs(expected))
  })
  expect(() => capInPlace(context, tensor, 0)).toThrow("the soft cap is 0; it must be a positive finite number")
})

executingTest("a row gathered twice receives both gradients", async (context) => {
  const rows = Uint32Array.from([2, 0, 2])
  const input = uploaded(context, Float32Array.from([1, 2, 3, 4, 5, 6]), [3, 2], "input")
  const gathered = gatherRows(context, input, uploaded(context, rows, [3], "rows"))
  const dInput = zeros(context, [3, 2], "dInput")
  scatterAddRows(context, groupRows(context, rows, "rows"), gathered, dInput)
  const [output, gradient] = await readback(context, [gathered, dInput])
  expect([...output!]).toEqual([5, 6, 1, 2, 5, 6])
  expect([...gradient!]).toEqual([1, 2, 0, 0, 10, 12])
})

executingTest("the sum of squares of a list agrees with f64", async (context) => {
  const list = [normal64("wide", [37, 131], { outlierEvery: 19 }), normal64("long", [3, 4099]), normal64("one", [1])]
  const tensors = list.map((values, index) => uploaded64(context, values, `tensor.${index}`))
  const [squares] = await readback(context, [sumOfSquares(context, tensors)])
  const total = list.flatMap(({ data }) => [...data]).reduce((sum, x) => sum + x * x, 0)
  expect(squares![0]! / total).toBeCloseTo(1, 5)
})

executingTest("elementwise ops refuse operands of different shape, and an output that is also an input", (context) => {
  const left = zeros(context, [2, 3], "left")
  const right = zeros(context, [3, 2], "right")
  expect(() => add(context, left, right)).toThrow(ShapeMismatch)
  expect(() => add(context, left, right)).toThrow("right (right) must be f32 [2,3], it is f32 [3,2]")
  expect(() => scale(context, uploaded(context, Uint32Array.of(1), [1], "ids"), 2)).toThrow("must be f32 [1]")
})
