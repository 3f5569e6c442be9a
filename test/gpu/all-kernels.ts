// Every kernel that the product loads: by importing whatever may load one, so that no list is kept by hand.
import { readdirSync } from "node:fs"
import { type Kernel, loadedKernels } from "#gpu-runner/device/kernel.ts"

const root = new URL("../../gpu-runner/", import.meta.url)

/** All kernels, by name. */
export async function allKernels(): Promise<readonly Kernel[]> {
  for (const folder of ["device/", "kernels/", "ops/", "optimiser/"]) {
    const files = readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
    for (const file of files) if (file.endsWith(".ts")) await import(new URL(folder + file, root).href)
  }
  return loadedKernels().toSorted((left, right) => left.name.localeCompare(right.name))
}
