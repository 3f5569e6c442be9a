// What a kernel is to the rest of the runner: a WGSL file, its bindings, its parameters, and the variants that ops may ask for.
// Sources are read from gpu-runner/kernels and put together by concatenation: modules from common/, then the kernel.
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"

/** How a kernel uses one storage binding of group 0. */
export type Access = "read" | "read_write"

/** One way to build a kernel. Each object belongs to one kernel: pipelines are cached by it. */
export interface KernelVariant {
  /** Files of kernels/common (without `.wgsl`) that this variant is composed with, besides the kernel's own. */
  readonly modules?: readonly string[]
  /** Values of the kernel's `override` constants. */
  readonly constants?: Readonly<Record<string, number>>
  /** `const` sizes declared before the modules, where WGSL does not take an `override`: in types, and in arrays that matrices are loaded from. */
  readonly sizes?: Readonly<Record<string, number>>
  /** WGSL that the host writes, between the modules and the kernel: what no `const` can vary. */
  readonly text?: string
  /** Workgroup memory that it takes, if that is more than the 16 KiB that every device has. */
  readonly workgroupBytes?: number
  /** Language extensions that the text uses, besides `subgroups`. */
  readonly extensions?: readonly string[]
  /** Compiles the kernel for subgroups of exactly this size; the device must have `subgroup-size-control`. */
  readonly subgroupSize?: number | undefined
  /** Whether the device must have the `subgroups` feature. */
  readonly needsSubgroups?: boolean
}

export interface Kernel {
  /** File name without `.wgsl`, and the entry point. */
  readonly name: string
  /** Storage bindings of group 0, in order: inputs, then outputs. */
  readonly bindings: readonly Access[]
  /** Fields of the uniform struct `Params` (group 1, binding 0), in order, four bytes each. */
  readonly params: Readonly<Record<string, "u32" | "f32">>
  /** Files of kernels/common that every variant needs. */
  readonly modules: readonly string[]
  /** Every variant that an op may ask for, or examples of those that are made on demand; the null lane compiles them all. */
  readonly variants: Readonly<Record<string, KernelVariant>>
}

const kernelFolder = fileURLToPath(new URL("../kernels/", import.meta.url))

/** Every WGSL file by its name without ending, whatever its family's folder: names are unique. */
const sources = new Map(
  readdirSync(kernelFolder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".wgsl"))
    .map((file) => [path.basename(file, ".wgsl"), readFileSync(path.join(kernelFolder, file), "utf8")] as const),
)

function source(name: string): string {
  const text = sources.get(name)
  if (text === undefined) throw new Error(`there is no ${name}.wgsl in kernels/; correct the name`)
  return text
}

/** The complete WGSL text of a variant. `enable` directives come first, as WGSL demands. */
export function kernelSource(kernel: Kernel, variant: KernelVariant): string {
  const { needsSubgroups, extensions = [], subgroupSize, sizes = {} } = variant
  const enabled = [...(needsSubgroups ? ["subgroups"] : []), ...extensions]
  if (subgroupSize !== undefined) enabled.push("subgroup_size_control")
  const modules = [...kernel.modules, ...(variant.modules ?? [])]
  const attribute = subgroupSize === undefined ? "@compute" : `@compute @subgroup_size(${subgroupSize})`
  return [
    ...enabled.map((extension) => `enable ${extension};`),
    ...Object.entries(sizes).map(([name, size]) => `const ${name}: u32 = ${size}u;`),
    ...modules.map((name) => source(name)),
    variant.text ?? "",
    source(kernel.name).replace("@compute", attribute),
  ].join("\n")
}
