// WebGPU libraries for the browser look for navigator.gpu: Dawn, under the names that a browser has.
import { create, globals } from "webgpu"

// Collected while a device lives, it would end the process.
let instance: GPU | undefined

/** Puts Dawn's GPU into this process's navigator. */
export function installDawn(): void {
  Object.assign(globalThis, globals)
  instance ??= create([])
  Object.defineProperty(globalThis.navigator, "gpu", { value: instance, configurable: true })
}
