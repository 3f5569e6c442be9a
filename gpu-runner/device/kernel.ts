// What a kernel is to the rest of the runner: a WGSL file, the bindings and parameters that it declares, and the variants that ops may
// ask for. Sources are read from gpu-runner/kernels and put together by concatenation: modules from common/, then the kernel.
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { interfaceOf, type KernelInterface, modulesNamed } from "./kernel-text.ts"

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

export type KernelVariants = Readonly<Record<string, KernelVariant>>

export interface Kernel<Variants extends KernelVariants = KernelVariants> extends KernelInterface {
  /** File name without `.wgsl`, and the entry point. */
  readonly name: string
  /** Files of kernels/common that every variant needs. */
  readonly modules: readonly string[]
  /** Every variant that an op may ask for, or examples of those that are made on demand; the null lane compiles them all. */
  readonly variants: Variants
}

const kernelFolder = fileURLToPath(new URL("../kernels/", import.meta.url))
const files = readdirSync(kernelFolder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".wgsl"))

/** Every WGSL file by its name without ending, whatever its family's folder: names are unique. */
const sources = new Map(
  files.map((file) => [path.basename(file, ".wgsl"), readFileSync(path.join(kernelFolder, file), "utf8")] as const),
)

/** The names of all kernels in kernels/: every WGSL file that is no module. */
export const kernelNames: readonly string[] = files
  .filter((file) => !file.startsWith(`common${path.sep}`))
  .map((file) => path.basename(file, ".wgsl"))

const loaded = new Map<string, Kernel>()

/** The kernels that the modules imported so far have loaded. */
export function loadedKernels(): readonly Kernel[] {
  return [...loaded.values()]
}

/**
 * The kernel of a WGSL file, with the bindings and parameters that it declares. Without variants it has one, `only`. A kernel belongs to
 * one op: loading it a second time is refused, since pipelines are cached by its variants.
 */
export function loadKernel(name: string): Kernel<{ readonly only: KernelVariant }>
export function loadKernel<Variants extends KernelVariants>(name: string, variants: Variants): Kernel<Variants>
export function loadKernel(name: string, variants: KernelVariants = { only: {} }): Kernel {
  if (loaded.has(name)) throw new Error(`${name}.wgsl is loaded twice; export the kernel from the module that has it`)
  const modules = modulesNamed(name, source(name))
  const text = [...withTheirs(modules), name].map(source).join("\n")
  const kernel = { name, ...interfaceOf(name, text), modules, variants }
  loaded.set(name, kernel)
  return kernel
}

function source(name: string): string {
  const text = sources.get(name)
  if (text === undefined) throw new Error(`there is no ${name}.wgsl in kernels/; correct the name`)
  return text
}

/** The modules, each after those that it names itself, and once. */
function withTheirs(modules: readonly string[]): readonly string[] {
  return [...new Set(modules.flatMap((name) => [...withTheirs(modulesNamed(name, source(name))), name]))]
}

/** The complete WGSL text of a variant. `enable` directives come first, as WGSL demands. */
export function kernelSource(kernel: Kernel, variant: KernelVariant): string {
  const { needsSubgroups, extensions = [], subgroupSize, sizes = {} } = variant
  const enabled = [...(needsSubgroups ? ["subgroups"] : []), ...extensions]
  if (subgroupSize !== undefined) enabled.push("subgroup_size_control")
  const attribute = subgroupSize === undefined ? "@compute" : `@compute @subgroup_size(${subgroupSize})`
  return [
    ...enabled.map((extension) => `enable ${extension};`),
    ...Object.entries(sizes).map(([name, size]) => `const ${name}: u32 = ${size}u;`),
    ...withTheirs([...kernel.modules, ...(variant.modules ?? [])]).map(source),
    variant.text ?? "",
    source(kernel.name).replace("@compute", attribute),
  ].join("\n")
}
