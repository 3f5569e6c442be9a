// Subgroup matrices (tensor cores): which configuration of the driver's list the kernels use, and whether it computes what it should.
// A list is a claim: one small product is computed on the device and compared with the host's before any model relies on it.
import { type KernelVariant, kernelSource, loadKernel } from "./kernel.ts"
import { type Pauses, throttledWait } from "./throttled-wait.ts"

/** One configuration: [rows, depth] f16 times [depth, columns] f16 onto [rows, columns] f32, by subgroups of `lanes`. */
export interface MatrixUnits {
  readonly rows: number
  readonly columns: number
  readonly depth: number
  readonly lanes: number
  /** Kernels ask for subgroups of `lanes`; otherwise the adapter has no others. */
  readonly isSizeControlled: boolean
  /** The built-ins are imitated in workgroup memory: slow, for tests on adapters without subgroup matrices. */
  readonly isEmulated: boolean
}

/** Features that a device needs for them, and the Dawn toggles that make drivers offer these features. */
export const MATRIX_FEATURE = "chromium-experimental-subgroup-matrix"
export const SIZE_CONTROL_FEATURE = "subgroup-size-control"

/** As Dawn lists it in `adapter.info.subgroupMatrixConfigs`. */
interface ListedConfiguration {
  readonly componentType: string
  readonly resultComponentType: string
  readonly M: number
  readonly N: number
  readonly K: number
}

interface ListingAdapter {
  readonly features: { has(feature: string): boolean }
  readonly info: { readonly subgroupMinSize?: number; readonly subgroupMaxSize?: number }
}

const SUBGROUP_SIZES = [32, 16, 8, 64, 4] as const

/**
 * The adapter's configurations with f16 operands and f32 results that the kernels can use, largest first. Where its subgroups vary in
 * size, each comes once for every size that it may be asked for, 32 first: drivers do not say which sizes a configuration is meant for.
 */
export function listedMatrixUnits(adapter: ListingAdapter): MatrixUnits[] {
  const { features, info } = adapter
  if (!features.has(MATRIX_FEATURE) || !features.has("shader-f16") || !features.has("subgroups")) return []
  const listed = (info as { subgroupMatrixConfigs?: Iterable<ListedConfiguration> }).subgroupMatrixConfigs ?? []
  const { subgroupMinSize = 0, subgroupMaxSize = 0 } = info
  const sizes = SUBGROUP_SIZES.filter((size) => subgroupMinSize <= size && size <= subgroupMaxSize)
  const isSizeControlled = features.has(SIZE_CONTROL_FEATURE)
  if (!isSizeControlled && subgroupMinSize !== subgroupMaxSize) return []
  const fits = (size: number) => size === 8 || size === 16
  return [...listed]
    .filter(({ componentType, resultComponentType }) => componentType === "f16" && resultComponentType === "f32")
    .filter(({ M, N, K }) => fits(M) && fits(N) && fits(K))
    .sort((left, right) => right.M * right.N * right.K - left.M * left.N * left.K)
    .flatMap(({ M, N, K }) =>
      sizes.map((lanes) => ({
        rows: M,
        columns: N,
        depth: K,
        lanes,
        isSizeControlled,
        isEmulated: false,
      })),
    )
}

/** How a configuration is named to people. */
function matrixUnitsName({ rows, columns, depth, lanes }: MatrixUnits): string {
  return `${rows}×${columns}×${depth} f16 with f32 sums, ${lanes} lanes`
}

/** What every kernel on these units is built with. */
export function matrixVariant(units: MatrixUnits): KernelVariant {
  const { rows, columns, depth, lanes, isSizeControlled, isEmulated } = units
  return {
    needsSubgroups: true,
    extensions: isEmulated ? ["f16"] : ["f16", "chromium_experimental_subgroup_matrix"],
    subgroupSize: isSizeControlled && !isEmulated ? lanes : undefined,
    sizes: { MATRIX_ROWS: rows, MATRIX_COLUMNS: columns, MATRIX_DEPTH: depth, LANES: lanes },
  }
}

const KNOWN = { columns: 16, depth: 16, lanes: 32, isSizeControlled: true, isEmulated: false }

/** Configurations that GPUs are known to list: NVIDIA and AMD, Intel, Apple. What kernels are compiled for where there is no GPU. */
export const KNOWN_MATRIX_UNITS: readonly MatrixUnits[] = [
  { ...KNOWN, rows: 16 },
  { ...KNOWN, rows: 8 },
  { ...KNOWN, rows: 8, columns: 8, depth: 8 },
]

/** matrix_probe.wgsl: one product of one subgroup. */
const matrixProbeKernel = loadKernel(
  "matrix_probe",
  Object.fromEntries(KNOWN_MATRIX_UNITS.map((units) => [matrixUnitsName(units), matrixVariant(units)])),
)

/** Integers whose products need more than f16's 11 bits once summed: a configuration that sums in f16 shows. */
function probeMatrix(rows: number, columns: number, phase: number): number[] {
  return Array.from({ length: rows * columns }, (_, i) => ((i * 37 + phase * 11) % 63) - 20)
}

function transposed(matrix: readonly number[], rows: number, columns: number): number[] {
  return Array.from({ length: rows * columns }, (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!)
}

/** What was found out about the adapter's subgroup matrices, in words, and the configuration to use, if any. */
export interface MatrixUnitsCheck {
  readonly units: MatrixUnits | undefined
  readonly report: string
}

/**
 * The first of the listed configurations whose product of known integers comes out exactly, each tried on a device of its own: one that
 * is lost over it must take neither the run's device nor the next configuration along.
 */
export async function checkMatrixUnits(
  listed: readonly MatrixUnits[],
  requestDevice: () => Promise<GPUDevice>,
): Promise<MatrixUnitsCheck> {
  if (listed.length === 0) return { units: undefined, report: "none with f16 operands and f32 sums" }
  const failures: string[] = []
  for (const units of listed) {
    const device = await requestDevice()
    try {
      const failure = await failureOf(device, units)
      if (failure === undefined) return { units, report: `${matrixUnitsName(units)}: checked` }
      failures.push(`${matrixUnitsName(units)}: ${failure}`)
    } finally {
      device.destroy()
    }
  }
  return { units: undefined, report: `not used (${failures.join("; ")})` }
}

async function failureOf(device: GPUDevice, units: MatrixUnits): Promise<string | undefined> {
  const lost = device.lost.then(({ message }): string => `the device was lost: ${message}`)
  const computed = computesRightly(device, units).then(
    (isRight) => (isRight ? undefined : "computes wrongly"),
    (error: unknown) => `refused: ${String(error)}`,
  )
  return Promise.race([computed, lost])
}

const PAUSES: Pauses = { mostMs: 0.2, shareOfWait: 1 }

async function computesRightly(device: GPUDevice, units: MatrixUnits): Promise<boolean> {
  const { rows, columns, depth } = units
  const [left, right] = [probeMatrix(rows, depth, 1), probeMatrix(depth, columns, 2)]
  const operands = [...left, ...transposed(left, rows, depth), ...right, ...transposed(right, depth, columns)]
  const product = await probe(device, units, Float32Array.from(operands))
  return product.every((value, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns]
    let exact = 0
    for (let k = 0; k < depth; k++) exact += left[row * depth + k]! * right[k * columns + column]!
    return value === exact
  })
}

async function probe(device: GPUDevice, units: MatrixUnits, operands: Float32Array): Promise<Float32Array> {
  const productBytes = units.rows * units.columns * 4
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage
  const buffer = (size: number, usage: number) => device.createBuffer({ label: "matrix_probe", size, usage })
  const input = buffer(operands.byteLength, STORAGE | COPY_DST)
  const output = buffer(productBytes, STORAGE | COPY_SRC)
  const staging = buffer(productBytes, MAP_READ | COPY_DST)
  device.queue.writeBuffer(input, 0, operands as GPUAllowSharedBufferSource)
  const code = kernelSource(matrixProbeKernel, matrixVariant(units))
  const module = device.createShaderModule({ label: "matrix_probe", code })
  const compute = { module, entryPoint: "matrix_probe" }
  const pipeline = await throttledWait(device.createComputePipelineAsync({ layout: "auto", compute }), PAUSES)
  const encoder = device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  pass.setPipeline(pipeline)
  const entries = [input, output].map((resource, binding) => ({ binding, resource: { buffer: resource } }))
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }))
  pass.dispatchWorkgroups(1)
  pass.end()
  encoder.copyBufferToBuffer(output, 0, staging, 0, productBytes)
  device.queue.submit([encoder.finish()])
  await throttledWait(staging.mapAsync(GPUMapMode.READ), PAUSES)
  return new Float32Array(staging.getMappedRange().slice(0))
}
