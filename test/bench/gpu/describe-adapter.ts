// What this machine's adapter offers, as JSON: features, subgroup-matrix configurations and limits without and with Dawn's toggles for
// tensor cores, and what the engine's own device is opened with.
import { create } from "webgpu"
import { describeEnvironment } from "#gpu-runner/bench/environment.ts"
import { createContext } from "#gpu-runner/device/context.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"

const TOGGLES = "allow_unsafe_apis,vulkan_enable_f16_on_nvidia"

// Dawn's instances must stay referenced while anything of theirs lives.
const instances: GPU[] = []

interface MatrixInfo {
  readonly subgroupMatrixConfigs?: Iterable<Record<string, unknown>>
}

async function offered(...flags: readonly string[]): Promise<object> {
  const instance = create([...flags])
  instances.push(instance)
  const adapter = await instance.requestAdapter({ powerPreference: "high-performance" })
  if (!adapter) return { adapter: "none" }
  const { info } = adapter
  const limits: Record<string, number> = {}
  // They are accessors of the prototype.
  for (const name in adapter.limits) limits[name] = adapter.limits[name as keyof GPUSupportedLimits] as number
  return {
    adapter: [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(", "),
    isFallback: info.isFallbackAdapter,
    subgroupSizes: [info.subgroupMinSize, info.subgroupMaxSize],
    features: [...adapter.features].sort(),
    subgroupMatrices: [...((info as MatrixInfo).subgroupMatrixConfigs ?? [])].map(
      ({ componentType, resultComponentType, M, N, K }) => `${M}×${N}×${K} ${componentType} → ${resultComponentType}`,
    ),
    limits,
  }
}

const [plain, withToggles] = [await offered(), await offered(`enable-dawn-features=${TOGGLES}`)]
const gpu = await openDevice()
const engine = describeEnvironment(createContext(gpu))
console.log(JSON.stringify({ toggles: TOGGLES, plain, withToggles, engine }))
gpu.destroy()
