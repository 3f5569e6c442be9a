// Opens a WebGPU device through Dawn: chooses the adapter, asks for the features and limits that the kernels use, and turns
// WebGPU's asynchronous error events into typed errors thrown at the next submit or readback.
import { create, globals } from "webgpu"
import { DeviceLost, GpuOutOfMemory, GpuValidationFailed, NoAdapter } from "./errors.ts"
import {
  checkMatrixUnits,
  listedMatrixUnits,
  MATRIX_FEATURE,
  type MatrixUnits,
  SIZE_CONTROL_FEATURE,
} from "./matrix-units.ts"
import { memorySizeBytes } from "./memory-size.ts"
import { type Pauses, throttledWait } from "./throttled-wait.ts"

export type Backend = "vulkan" | "metal" | "d3d12" | "null"
/** What the adapter is good for: `software` and `gpu` execute, `null` only validates. */
export type Lane = "software" | "gpu" | "null"

export interface OpenDeviceOptions {
  readonly backend?: Backend
  readonly powerPreference?: GPUPowerPreference
  /** Takes the software adapter even where a GPU is present. */
  readonly forceFallback?: boolean
  /** The kernel choices that were once measured on this adapter (ops/matmul/matmul-tuning.ts), by `DeviceInfo.adapterKey`. */
  readonly readKernelChoices?: ((adapterKey: string) => KernelChoices | undefined) | undefined
}

/** A kernel's name for each class of problem that was measured. */
export type KernelChoices = Readonly<Record<string, string>>

export interface DeviceInfo {
  readonly description: string
  readonly vendor: string
  readonly architecture: string
  readonly backend: Backend
  readonly isFallback: boolean
  /** 0 without the `subgroups` feature. Never assume 32: software adapters have 4 or 8. */
  readonly subgroupMinSize: number
  readonly subgroupMaxSize: number
  /** What the adapter's subgroup matrices are, or why they are not used. */
  readonly matrixUnitsReport: string
  /** Adapter, driver and back end: what kernel choices were measured on. */
  readonly adapterKey: string
}

export interface GpuDevice {
  readonly device: GPUDevice
  readonly info: DeviceInfo
  readonly limits: GPUSupportedLimits
  readonly features: ReadonlySet<string>
  readonly lane: Lane
  readonly hasSubgroups: boolean
  /** The subgroup matrices that kernels may use: listed by the driver, and right on a product of known integers. */
  readonly matrixUnits: MatrixUnits | undefined
  /** Memory of the adapter (a software or unified one: of the machine), where it can be found out. WebGPU itself does not tell. */
  readonly memoryBytes: number | undefined
  readonly kernelChoices: KernelChoices
  /** Throws the first DeviceLost, GpuOutOfMemory or GpuValidationFailed that WebGPU has reported since the device was opened. */
  readonly throwIfFailed: () => void
  /** Awaits a WebGPU promise without spinning, then calls `throwIfFailed`. */
  readonly wait: <T>(promise: Promise<T>) => Promise<T>
  readonly destroy: () => void
}

const WANTED_FEATURES = ["subgroups", "shader-f16", "timestamp-query", MATRIX_FEATURE, SIZE_CONTROL_FEATURE]
// A software adapter computes on the very cores that would poll. Beside a GPU they are free: polling then adds at most 1 in 500 to a wait.
const SOFTWARE_PAUSES: Pauses = { mostMs: 0.2, shareOfWait: 1 }
const GPU_PAUSES: Pauses = { mostMs: 0.2, shareOfWait: 0.002 }

const WANTED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
] as const

// Dawn's instances must stay referenced: if one is collected while a device lives, the process crashes.
const instances = new Map<string, GPU>()

// Dawn rounds timestamps to 65.5 µs unless told otherwise: longer than most kernels.
const EXACT_TIMESTAMPS = "disable-dawn-features=timestamp_quantization"
// Subgroup matrices are an experimental feature, and Dawn hides f16 on NVIDIA's Vulkan driver (crbug.com/42251215).
const EXPERIMENTS = "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia"

function instanceFor(...flags: readonly string[]): GPU {
  const key = flags.join(",")
  let instance = instances.get(key)
  if (!instance) {
    Object.assign(globalThis, globals)
    instance = create([...flags, EXACT_TIMESTAMPS, EXPERIMENTS])
    instances.set(key, instance)
  }
  return instance
}

function defaultBackend(): Backend {
  if (process.platform === "darwin") return "metal"
  return process.platform === "win32" ? "d3d12" : "vulkan"
}

/**
 * Opens the device that all ops run on.
 * Without `backend` the platform's native one is taken (Vulkan, Metal or Direct3D 12); `null` validates and executes nothing.
 * Rejects with NoAdapter when the backend offers none.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<GpuDevice> {
  const backend = options.backend ?? defaultBackend()
  const adapter = await requestAdapter(backend, options)
  // An adapter gives one device; the check takes another adapter for its own.
  const matrixUnits = await checkMatrixUnits(listedMatrixUnits(adapter), async () =>
    requestDevice(await requestAdapter(backend, options)),
  )
  const info = { ...describeAdapter(adapter, backend), matrixUnitsReport: matrixUnits.report }
  const observed = observeDevice(await requestDevice(adapter), info)
  return {
    ...observed,
    matrixUnits: matrixUnits.units,
    memoryBytes: memorySizeBytes(info),
    kernelChoices: options.readKernelChoices?.(info.adapterKey) ?? {},
  }
}

function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits: Record<string, number> = {}
  for (const name of WANTED_LIMITS) requiredLimits[name] = adapter.limits[name]
  return adapter.requestDevice({
    label: "yohaku",
    requiredFeatures: WANTED_FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
    requiredLimits,
  })
}

async function requestAdapter(backend: Backend, options: OpenDeviceOptions): Promise<GPUAdapter> {
  const instance = instanceFor(`backend=${backend}`)
  const { powerPreference = "high-performance", forceFallback = false } = options
  const preferred = await requestFrom(instance, { powerPreference })
  if (preferred && (!forceFallback || preferred.info.isFallbackAdapter)) return preferred
  // WebGPU's own fallback is SwiftShader; Mesa's software adapter beside a GPU is only found by its name.
  const adapter =
    (await requestFrom(instance, { forceFallbackAdapter: true })) ??
    (await requestFrom(instanceFor(`backend=${backend}`, "adapter=llvmpipe"), {}))
  if (!adapter) throw new NoAdapter(backend)
  return adapter
}

// The standard answers null when there is no adapter; dawn.node throws instead, for a backend or a name that it does not find.
async function requestFrom(instance: GPU, options: GPURequestAdapterOptions): Promise<GPUAdapter | null> {
  try {
    return await instance.requestAdapter(options)
  } catch {
    return null
  }
}

function describeAdapter(adapter: GPUAdapter, backend: Backend): Omit<DeviceInfo, "matrixUnitsReport"> {
  const info = adapter.info
  const hasSubgroups = adapter.features.has("subgroups")
  return {
    description: [info.device, info.description].filter(Boolean).join(", "),
    vendor: info.vendor,
    architecture: info.architecture,
    backend,
    isFallback: info.isFallbackAdapter,
    subgroupMinSize: hasSubgroups ? (info.subgroupMinSize ?? 0) : 0,
    subgroupMaxSize: hasSubgroups ? (info.subgroupMaxSize ?? 0) : 0,
    // Vulkan drivers put their name and version into the description.
    adapterKey: [info.vendor, info.architecture, info.device, info.description, backend].join("|"),
  }
}

type ObservedDevice = Omit<GpuDevice, "matrixUnits" | "memoryBytes" | "kernelChoices">

function observeDevice(device: GPUDevice, info: DeviceInfo): ObservedDevice {
  let failure: Error | undefined
  let isDestroyed = false
  device.addEventListener("uncapturederror", (event) => {
    failure ??= typedError((event as GPUUncapturedErrorEvent).error)
  })
  device.lost.then((lost) => {
    if (!isDestroyed) failure ??= new DeviceLost(lost.reason, lost.message)
  })
  const throwIfFailed = () => {
    if (failure) throw failure
    if (isDestroyed) throw new DeviceLost("destroyed", "destroy() was called on it.")
  }
  const lane: Lane = info.backend === "null" ? "null" : info.isFallback ? "software" : "gpu"
  const pauses = lane === "gpu" ? GPU_PAUSES : SOFTWARE_PAUSES
  return {
    device,
    info,
    limits: device.limits,
    features: new Set(device.features),
    lane,
    hasSubgroups: device.features.has("subgroups"),
    throwIfFailed,
    wait: async (promise) => {
      try {
        return await throttledWait(promise, pauses)
      } finally {
        // The typed cause is worth more than the rejection that follows from it.
        throwIfFailed()
      }
    },
    destroy: () => {
      isDestroyed = true
      device.destroy()
    },
  }
}

/** The typed counterpart of a WebGPU error. */
export function typedError(error: GPUError): Error {
  if (error instanceof GPUOutOfMemoryError) return new GpuOutOfMemory(error.message)
  return new GpuValidationFailed(error.message)
}
