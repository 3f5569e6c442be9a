// `yohaku doctor`: what this machine has for training, and what to install where something lacks. It computes one product
// on the adapter and compares it, because a driver that opens is not yet a driver that works.
import os from "node:os"
import { readKernelChoices } from "#gpu-runner/data/kernel-choices.ts"
import { packageVersions } from "#gpu-runner/data/versions.ts"
import { createContext } from "#gpu-runner/device/context.ts"
import { type GpuDevice, openDevice } from "#gpu-runner/device/open-device.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import { deviceBudgetBytes } from "#gpu-runner/trainer/plan/device-budget.ts"
import { byteSize } from "#gpu-runner/trainer/quantities.ts"
import { defineCommand } from "../command.ts"

interface Diagnosis {
  readonly adapter: string
  readonly vendor: string
  readonly architecture: string
  readonly backend: string
  readonly kind: "gpu" | "software"
  readonly features: readonly string[]
  readonly subgroupSize: readonly [number, number]
  readonly maxBufferBytes: number
  readonly maxBindingBytes: number
  /** Of the adapter, or of the machine where it shares that; undefined where nothing says. */
  readonly memoryBytes: number | undefined
  /** Of these, what a run takes at most unless deviceMemoryGb says otherwise. */
  readonly runBytes: number | undefined
  /** Subgroup matrices (tensor cores): which are used, checked by a product of known integers, or why none is. */
  readonly matrixUnits: string
  /** Classes of products whose kernel was measured here (`yohaku tune`); others take the usual one. */
  readonly tunedClasses: number
  readonly versions: Readonly<Record<string, string>>
  readonly machine: string
  /** Largest difference of a 64 × 64 × 64 product from its f64 value, relative to the largest element. */
  readonly matmulError: number
  readonly isHealthy: boolean
  readonly advice: readonly string[]
}

const SHOWN_FEATURES = ["subgroups", "shader-f16", "timestamp-query"]
const MATMUL_TOLERANCE = 1e-5

export const command = defineCommand({
  name: "doctor",
  summary: "Says what this machine has for training, and what to install where something lacks.",
  options: {},
  run: async (_, terminal) => {
    const gpu = await openDevice({ readKernelChoices })
    try {
      const diagnosis = await examine(gpu)
      terminal.answer(diagnosis, () => report(diagnosis))
      if (!diagnosis.isHealthy) throw new Error(`${diagnosis.adapter} computes wrongly; update its driver`)
    } finally {
      gpu.destroy()
    }
  },
})

async function examine(gpu: GpuDevice): Promise<Diagnosis> {
  const matmulError = await productError(gpu)
  const features = SHOWN_FEATURES.filter((feature) => gpu.features.has(feature))
  const advice: string[] = []
  if (gpu.lane === "software") {
    advice.push(
      "this is a software adapter: fine for the demo and tests; for real models install the GPU vendor's Vulkan driver",
    )
  }
  if (!gpu.hasSubgroups) advice.push("no subgroups: slower kernels are used; a newer driver may offer them")
  return {
    adapter: gpu.info.description,
    vendor: gpu.info.vendor,
    architecture: gpu.info.architecture,
    backend: gpu.info.backend,
    kind: gpu.lane === "software" ? "software" : "gpu",
    features,
    subgroupSize: [gpu.info.subgroupMinSize, gpu.info.subgroupMaxSize],
    maxBufferBytes: gpu.limits.maxBufferSize,
    maxBindingBytes: gpu.limits.maxStorageBufferBindingSize,
    memoryBytes: gpu.memoryBytes,
    runBytes: deviceBudgetBytes(gpu, {}),
    matrixUnits: gpu.info.matrixUnitsReport,
    tunedClasses: Object.keys(gpu.kernelChoices).length,
    versions: { node: process.versions.node, ...packageVersions(["webgpu", "effect", "onnxruntime-web", "wrangler"]) },
    machine: `${os.type()} ${os.release()} ${os.arch()}, ${os.availableParallelism()} cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    matmulError,
    isHealthy: matmulError < MATMUL_TOLERANCE,
    advice,
  }
}

async function productError(gpu: GpuDevice): Promise<number> {
  const size = 64
  const values = (phase: number) => Float32Array.from({ length: size * size }, (_, i) => Math.sin(i * 0.37 + phase))
  const [left, right] = [values(1), values(2)]
  const context = createContext(gpu, "tuned", { precision: "f32" })
  const scope = context.memory.openScope()
  try {
    const a = uploaded(context, left, [size, size], "doctor.left")
    const b = uploaded(context, right, [size, size], "doctor.right")
    const [product] = await readback(context, [matmul(context, a, b)])
    let worst = 0
    let largest = 0
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        let exact = 0
        for (let k = 0; k < size; k++) exact += left[row * size + k]! * right[k * size + column]!
        worst = Math.max(worst, Math.abs(exact - product![row * size + column]!))
        largest = Math.max(largest, Math.abs(exact))
      }
    }
    return worst / largest
  } finally {
    scope.close()
  }
}

function memoryText({ memoryBytes, runBytes }: Diagnosis): string {
  if (memoryBytes === undefined || runBytes === undefined) return "not known (deviceMemoryGb tells a run)"
  return `${byteSize(memoryBytes)}, of which a run takes up to ${byteSize(runBytes)} (deviceMemoryGb)`
}

function tunedText({ tunedClasses, kind }: Diagnosis): string {
  if (tunedClasses > 0) return `${tunedClasses} classes of products`
  return kind === "gpu" ? "no (yohaku tune)" : "no, and a software adapter needs none"
}

function report(diagnosis: Diagnosis): string {
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
  const [smallest, largest] = diagnosis.subgroupSize
  const rows: readonly (readonly [string, string])[] = [
    ["adapter", `${diagnosis.adapter} (${diagnosis.kind}, ${diagnosis.backend})`],
    ["features", diagnosis.features.join(", ") || "none"],
    ["subgroup size", smallest === largest ? `${smallest}` : `${smallest} to ${largest}`],
    ["largest buffer", `${mebibytes(diagnosis.maxBufferBytes)}, bound at once ${mebibytes(diagnosis.maxBindingBytes)}`],
    ["memory", memoryText(diagnosis)],
    ["subgroup matrices", diagnosis.matrixUnits],
    ["tuned", tunedText(diagnosis)],
    ["product check", `${diagnosis.isHealthy ? "right" : "WRONG"} (error ${diagnosis.matmulError.toExponential(1)})`],
    ["machine", diagnosis.machine],
    ...Object.entries(diagnosis.versions),
    ...diagnosis.advice.map((text) => ["note", text] as const),
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join("\n")
}
