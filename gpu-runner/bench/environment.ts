// What a measured number depends on besides the code: written beside every result.
import { execFileSync } from "node:child_process"
import os from "node:os"
import path from "node:path"
import { runtimeVersions } from "#gpu-runner/data/versions.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"

export interface Environment {
  readonly adapter: string
  readonly vendor: string
  readonly architecture: string
  readonly backend: string
  readonly lane: string
  /** [smallest, largest]; [0, 0] without subgroups. */
  readonly subgroupSizes: readonly [number, number]
  /** WebGPU features that the device was opened with. */
  readonly features: readonly string[]
  /** Of the adapter, where it can be found out; else null. */
  readonly memoryBytes: number | null
  /** What the adapter's subgroup matrices are, or why they are not used. */
  readonly matrixUnits: string
  /** Which family of kernels the ops choose from. */
  readonly kernels: string
  /** `mixed`: products may round their operands to f16, where the adapter has subgroup matrices. `f32`: they may not. */
  readonly precision: string
  /** How many classes of products were measured here by `yohaku tune`. */
  readonly tunedClasses: number
  readonly node: string
  readonly webgpu: string
  readonly yohaku: string
  /** Of the repository that this runs from; null elsewhere. */
  readonly commit: string | null
  readonly os: string
  readonly processor: string
  readonly processors: number
  readonly memoryGib: number
  /** Average number of running processes before the measurement; [0, 0, 0] where the system does not say. */
  readonly load: readonly number[]
  /** ISO 8601, UTC. */
  readonly date: string
}

/** The environment of a context, now. */
export function describeEnvironment({ gpu, kernels, precision }: OpContext): Environment {
  const { node, webgpu, yohaku } = runtimeVersions() as Record<"node" | "webgpu" | "yohaku", string>
  return {
    adapter: gpu.info.description,
    vendor: gpu.info.vendor,
    architecture: gpu.info.architecture,
    backend: gpu.info.backend,
    lane: gpu.lane,
    subgroupSizes: [gpu.info.subgroupMinSize, gpu.info.subgroupMaxSize],
    features: [...gpu.features].sort(),
    memoryBytes: gpu.memoryBytes ?? null,
    matrixUnits: gpu.info.matrixUnitsReport,
    kernels,
    precision,
    tunedClasses: Object.keys(gpu.kernelChoices).length,
    node,
    webgpu,
    yohaku,
    commit: commitOfThisFolder(),
    os: `${os.type()} ${os.release()} ${os.arch()}`,
    processor: os.cpus()[0]?.model.trim() ?? "unknown",
    processors: os.availableParallelism(),
    memoryGib: Math.round(os.totalmem() / 2 ** 30),
    load: os.loadavg().map((load) => Math.round(100 * load) / 100),
    date: new Date().toISOString(),
  }
}

/** A package that was installed into someone else's repository has no commit of its own. */
function commitOfThisFolder(): string | null {
  const root = path.resolve(import.meta.dirname, "../..")
  try {
    const git = (...words: string[]) =>
      execFileSync("git", words, { cwd: root, encoding: "utf8", stdio: "pipe" }).trim()
    return git("rev-parse", "--show-prefix") === "" ? git("rev-parse", "--short=12", "HEAD") : null
  } catch {
    return null
  }
}
