// The products meant for real GPUs, against f64: register tiles, slices along the depth, and subgroup matrices, emulated everywhere and
// the device's own where it has any. Operands of the latter are rounded to f16 first, so that only the kernel's own error is left.
import { expect } from "vitest"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import type { Dispatch } from "#gpu-runner/device/dispatch.ts"
import { KNOWN_MATRIX_UNITS } from "#gpu-runner/device/matrix-units.ts"
import type { KernelChoices } from "#gpu-runner/device/open-device.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { matrixTilings } from "#gpu-runner/kernels/matmul/matmul_matrix.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import { gpuTiles } from "#gpu-runner/ops/matmul/matmul-gpu.ts"
import type { MatmulOptions } from "#gpu-runner/ops/matmul/matmul-problem.ts"
import { choicesOf, measureProducts } from "#gpu-runner/ops/matmul/matmul-tuning.ts"
import { releaseWeight, uploadWeight } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { narrowFloat16, widenFloat16 } from "#shared/formats/weights/half-float.ts"
import { type CodedKind, expandMatrix, storeMatrix } from "#shared/formats/weights/quantisation.ts"
import { isFullRun } from "#test/full-run.ts"
import type { Array64 } from "#test/reference/array64.ts"
import { matmul as matmul64 } from "#test/reference/matmul.ts"
import { normal64 } from "#test/reference/random.ts"
import { relativeError, uploaded64 } from "./compare-op.ts"
import { emulatedUnits } from "./emulated-units.ts"
import { gpuKernelsTest, nullTest, softwareTest } from "./lanes.ts"

/** Of each subgroup size one configuration. */
const EMULATED = [
  emulatedUnits(8, 8, 8, 4),
  emulatedUnits(8, 8, 8, 8),
  emulatedUnits(8, 16, 16, 16),
  emulatedUnits(16, 16, 16, 32),
  emulatedUnits(16, 16, 16, 64),
]

/** The one that compiles fastest on a software adapter, whose subgroup matrices take seconds a variant. */
const QUICKEST = EMULATED[0]!

function halves(name: string, shape: readonly number[]): Array64 {
  const { data } = normal64(name, shape, { outlierEvery: 17 })
  return { shape, data: Float64Array.from(widenFloat16(narrowFloat16(Float32Array.from(data)))) }
}

/** A product with everything that it may have, and the same in f64. */
async function errorOf(
  context: OpContext,
  [rows, columns, depth]: readonly number[],
  options: MatmulOptions,
  rank = 0,
) {
  const { transposeA = false, transposeB = false, scale = 1, accumulate = false } = options
  const a = halves("a", transposeA ? [depth!, rows!] : [rows!, depth!])
  const b = halves("b", transposeB ? [columns!, depth!] : [depth!, columns!])
  const base = normal64("base", [rows!, columns!])
  const left = halves("left", [rows!, rank || 1])
  const right = halves("right", transposeB ? [columns!, rank || 1] : [rank || 1, columns!])
  const lowRank =
    rank === 0
      ? undefined
      : { left: uploaded64(context, left, "left"), right: uploaded64(context, right, "right"), scale: 0.25 }
  const out = uploaded64(context, base, "out")
  matmul(context, uploaded64(context, a, "a"), uploaded64(context, b, "b"), { ...options, out, lowRank })
  const [actual] = await readback(context, [out])
  const full = matmul64(a, b, options).data
  const low = rank === 0 ? undefined : matmul64(left, right, { transposeB }).data
  const expected = full.map((value, i) => {
    return (accumulate ? base.data[i]! : 0) + scale * (value + (low ? 0.25 * low[i]! : 0))
  })
  return relativeError(actual!, expected)
}

/** Each compiles for seconds: the fewest and the usual number of lanes, in the full run all. */
const COMPILED = isFullRun ? EMULATED : EMULATED.filter(({ lanes }) => lanes === 4 || lanes === 32)

for (const units of COMPILED) {
  const { rows, columns, depth, lanes } = units
  softwareTest(
    `subgroup matrices of ${rows}×${columns}×${depth} by ${lanes} lanes, emulated, give a ragged and a whole tile of a linear layer`,
    async ({ gpu }) => {
      const context = createContext(gpu, "gpu", { matrixUnits: units })
      expect(await errorOf(context, [37, 40, 68], { transposeB: true })).toBeLessThan(1e-6)
      expect(await errorOf(context, [64, 64, 64], { transposeB: true, accumulate: true })).toBeLessThan(1e-6)
    },
  )
}

/** Sums are f32 everywhere; tensor cores of real GPUs cut off what their adders do not hold, where others round. In f16 it would be 1e-3. */
function exactness({ gpu, precision, matrixUnits }: OpContext): number {
  return gpu.lane === "gpu" && precision === "mixed" && matrixUnits && !matrixUnits.isEmulated ? 1e-5 : 1e-6
}

const LAYOUTS: readonly Pick<MatmulOptions, "transposeA" | "transposeB">[] = [
  {},
  { transposeB: true },
  { transposeA: true },
  { transposeA: true, transposeB: true },
]

function everyForm(
  name: string,
  laneTest: typeof softwareTest,
  contextOf: (context: OpContext, skip: (why: string) => void) => OpContext,
) {
  for (const layout of LAYOUTS) {
    const stored = `A${layout.transposeA ? " transposed" : ""}, B${layout.transposeB ? " transposed" : ""}`
    laneTest(`${name}: ${stored}, in fours and not, accumulated and scaled`, async (given, test) => {
      const context = contextOf(given, (why) => test.skip(why))
      expect(await errorOf(context, [36, 40, 68], layout)).toBeLessThan(exactness(context))
      expect(await errorOf(context, [33, 37, 35], layout)).toBeLessThan(exactness(context))
      expect(await errorOf(context, [64, 64, 32], { ...layout, accumulate: true, scale: -0.5 })).toBeLessThan(
        exactness(context),
      )
    })
  }

  laneTest(`${name}: a low-rank product inside, forward and backward layouts`, async (given, test) => {
    const context = contextOf(given, (why) => test.skip(why))
    for (const transposeB of [true, false]) {
      expect(await errorOf(context, [37, 40, 24], { transposeB, accumulate: true, scale: 2 }, 8)).toBeLessThan(
        exactness(context),
      )
    }
  })

  laneTest(`${name}: a long depth with few tiles is summed slice by slice, the same twice`, async (given, test) => {
    const context = contextOf(given, (why) => test.skip(why))
    const options = { transposeA: true, accumulate: true, scale: 0.5 }
    const errors = [await errorOf(context, [8, 36, 1100], options), await errorOf(context, [8, 36, 1100], options)]
    expect(errors[0]).toBeLessThan(2 * exactness(context))
    expect(errors[1]).toBe(errors[0])
  })

  laneTest(`${name}: a coded weight is the product with its expansion`, async (given, test) => {
    const context = contextOf(given, (why) => test.skip(why))
    for (const kind of ["bf16", "f16", "int8", "nf4"] as const) await compareCoded(context, kind)
  })
}

// Weights that are multiples of 1/8 up to 4, so that every kind's rounding leaves values that f16 holds, but for int8's and nf4's scales.
async function compareCoded(context: OpContext, kind: CodedKind) {
  const [rows, columns, depth] = [20, 36, 128]
  const values = Float32Array.from({ length: columns * depth }, (_, i) => (((i * 29) % 65) - 32) / 8)
  const bytes = new Uint8Array(values.buffer)
  const matrix = storeMatrix({ name: "w", dtype: "F32", shape: [columns, depth], data: bytes }, kind)
  const weight = uploadWeight(context, matrix, "weight")
  const expanded: Array64 = { shape: [columns, depth], data: Float64Array.from(expandMatrix(matrix)) }
  // Backward's layout reads the same words: one kind stands for all.
  for (const transposeB of kind === "bf16" ? [true, false] : [true]) {
    const a = halves("a", [rows, transposeB ? depth : columns])
    const [actual] = await readback(context, [matmul(context, uploaded64(context, a, "a"), weight, { transposeB })])
    const tolerance = context.matrixUnits && (kind === "int8" || kind === "nf4") ? 1e-3 : exactness(context)
    expect(relativeError(actual!, matmul64(a, expanded, { transposeB }).data), kind).toBeLessThan(tolerance)
  }
  releaseWeight(context, weight)
}

everyForm("register tiles", gpuKernelsTest, (context) => createContext(context.gpu, "gpu", { precision: "f32" }))
everyForm("the device's own subgroup matrices", softwareTest, ({ gpu }, skip) => {
  if (!gpu.matrixUnits) skip(`no subgroup matrices here: ${gpu.info.matrixUnitsReport}`)
  return createContext(gpu, "gpu")
})

softwareTest(
  "emulated subgroup matrices: a transposed first operand, a low-rank product, slices and a coded weight",
  async ({ gpu }) => {
    const context = createContext(gpu, "gpu", { matrixUnits: QUICKEST })
    expect(await errorOf(context, [8, 36, 1100], { transposeA: true, accumulate: true, scale: 0.5 })).toBeLessThan(2e-6)
    expect(await errorOf(context, [37, 40, 24], { accumulate: true, scale: 2 }, 8)).toBeLessThan(1e-6)
    // Backward's layout is the low-rank product's, and the words' order in it that of the register tiles.
    await compareCoded(context, "f16")
  },
)

softwareTest("a product rounds to f16 only where it may, and never a weight beyond f16's range", async ({ gpu }) => {
  const context = createContext(gpu, "gpu", { matrixUnits: QUICKEST })
  const [a, third] = [
    normal64("a", [32, 32]),
    Float32Array.from({ length: 32 * 32 }, (_, i) => (i % 33 === 0 ? 1 / 3 : 0)),
  ]
  const product = async (options: MatmulOptions, values = third) => {
    const data = new Uint8Array(values.buffer)
    const weight = uploadWeight(context, storeMatrix({ name: "w", dtype: "F32", shape: [32, 32], data }, "f32"), "w")
    const [out] = await readback(context, [
      matmul(context, uploaded64(context, a, "a"), weight, { transposeB: true, ...options }),
    ])
    releaseWeight(context, weight)
    return relativeError(
      out!,
      a.data.map((value) => value * values[0]!),
    )
  }
  expect(await product({ precision: "f32" })).toBeLessThan(1e-6)
  expect(await product({})).toBeGreaterThan(1e-5)
  expect(await product({})).toBeLessThan(1e-3)
  expect(
    await product(
      {},
      third.map((value) => value * 300_000),
    ),
  ).toBeLessThan(1e-6)
})

softwareTest("an activation beyond f16's range becomes its largest value, not infinity", async ({ gpu }) => {
  const context = createContext(gpu, "gpu", { matrixUnits: QUICKEST })
  const a: Array64 = {
    shape: [4, 4],
    data: Float64Array.from({ length: 16 }, (_, i) => (i === 0 ? 1e6 : i === 1 ? -1e6 : 1)),
  }
  const identity: Array64 = { shape: [4, 4], data: Float64Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 1 : 0)) }
  const [out] = await readback(context, [
    matmul(context, uploaded64(context, a, "a"), uploaded64(context, identity, "i"), { transposeB: true }),
  ])
  expect([...out!.slice(0, 4)]).toEqual([65_504, -65_504, 1, 1])
})

nullTest(
  "every known configuration has a tiling for large products within 48 KiB and one for small products within 32 KiB",
  () => {
    const limits = (maxComputeWorkgroupStorageSize: number) => ({
      maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: 256,
    })
    const tiles = (bytes: number) =>
      KNOWN_MATRIX_UNITS.map((units) =>
        matrixTilings(units, limits(bytes)).map(({ tile, fragments }) => `${tile}.${fragments}`),
      )
    expect(tiles(49_152)).toEqual([
      ["128.4x2", "128.4x4", "64.2x2", "64.4x2", "32.2x2"],
      ["128.4x4", "64.2x2", "64.4x2", "64.4x4", "32.2x2", "32.4x2"],
      ["64.4x2", "64.4x4", "32.2x2", "32.4x2", "32.4x4"],
    ])
    expect(tiles(32_768).every((of) => of.length > 0)).toBe(true)
  },
)

/** What a product records, on a device with NVIDIA's subgroup matrices and limits; nothing is compiled or run. */
function recorded(
  given: OpContext,
  [rows, columns, depth]: readonly [number, number, number],
  choices: KernelChoices = {},
) {
  const dispatches: Dispatch[] = []
  const limits = {
    ...given.gpu.limits,
    maxComputeWorkgroupStorageSize: 49_152,
    maxComputeInvocationsPerWorkgroup: 1024,
  }
  const context = {
    ...given,
    kernels: "gpu",
    precision: "mixed",
    matrixUnits: KNOWN_MATRIX_UNITS[0],
    gpu: { ...given.gpu, limits, kernelChoices: choices },
    recorder: { dispatch: (dispatch: Dispatch) => dispatches.push(dispatch) },
  } as unknown as OpContext
  const shape = (sizes: readonly number[]) => ({ ...given.memory.allocate([4], "f32", "any"), shape: sizes })
  const [a, b, out] = [shape([rows, depth]), shape([columns, depth]), shape([rows, columns])]
  const problem = { a, b, out, rows, columns, depth, transposeA: false, transposeB: true, accumulate: false, scale: 1 }
  gpuTiles(context, { ...problem, precision: "mixed" })
  return dispatches.map(({ kernel, variant, workgroupCount, params }) => {
    const { TILE, FRAGMENT_ROWS, FRAGMENT_COLUMNS } = variant.sizes ?? {}
    const sliceDepth = params.slice_depth === undefined ? "" : ` by ${params.slice_depth}`
    const tile = TILE === undefined ? "" : ` ${TILE}.${FRAGMENT_ROWS}x${FRAGMENT_COLUMNS}`
    return `${kernel.name}${tile}: ${workgroupCount}${sliceDepth}`
  })
}

nullTest(
  "without a measurement the tile is the largest that keeps a GPU busy, with slices where the depth is long",
  (context) => {
    expect(recorded(context, [4096, 4096, 4096])).toEqual(["matmul_matrix 128.4x2: 1024 by 4096"])
    expect(recorded(context, [768, 768, 256])).toEqual(["matmul_matrix 64.2x2: 144 by 256"])
    expect(recorded(context, [16, 2048, 8192])).toEqual(["matmul_matrix 32.2x2: 1024 by 512", "matmul_slices: 512"])
    expect(recorded(context, [12_288, 16, 2048])).toEqual(["matmul_matrix 32.2x2: 768 by 1024", "matmul_slices: 3072"])
    expect(recorded(context, [8, 8, 8])).toEqual(["matmul_matrix 32.2x2: 1 by 8"])
  },
)

nullTest("a measured kernel is taken for its class of products, and not for another", (context) => {
  const choices = { "mixed.along.along.vec4.4096x4096x4096": "matrix.64.4x2" }
  expect(recorded(context, [4000, 5000, 4096], choices)).toEqual(["matmul_matrix 64.4x2: 4977 by 4096"])
  expect(recorded(context, [1024, 4096, 4096], choices)).toEqual(["matmul_matrix 128.4x2: 256 by 4096"])
  const unknown = { "mixed.along.along.vec4.4096x4096x4096": "gone" }
  expect(recorded(context, [4096, 4096, 4096], unknown)).toEqual(["matmul_matrix 128.4x2: 1024 by 4096"])
})

softwareTest("measuring times every candidate of a product and names the fastest by its class", async ({ gpu }) => {
  const context = createContext(gpu, "gpu", { precision: "f32" })
  const shape = {
    rows: 16,
    columns: 32,
    depth: 36,
    transposeA: false,
    transposeB: true,
    right: "f32",
    rank: 0,
  } as const
  const [measured] = await measureProducts(context, [shape])
  expect(measured!.problemClass).toBe("f32.along.along.vec4.16x32x32")
  expect(Object.keys(measured!.milliseconds)).toEqual(["workgroup.128", "workgroup.64"])
  const least = Math.min(...Object.values(measured!.milliseconds))
  expect(measured!.milliseconds[measured!.winner]).toBe(least)
  expect(choicesOf([measured!])).toEqual({ [measured!.problemClass]: measured!.winner })
})
