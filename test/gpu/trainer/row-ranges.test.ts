// A whole run whose weights, gradients and moments lie in several buffers: what it learns, and its checkpoints, are those of one buffer each.
// A run has a context of its own; here it is made with the range that a test sets.
import { readFileSync } from "node:fs"
import { afterAll, expect, vi } from "vitest"
import type { RunInputs } from "#gpu-runner/trainer/run/run-inputs.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { asFloat32, readSafetensors } from "#shared/formats/weights/safetensors.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { relativeError } from "../compare-op.ts"
import { softwareTest } from "../lanes.ts"
import { metricsOf, tinyRun } from "./tiny-run.ts"

const held = vi.hoisted(() => ({ rangeBytes: undefined as number | undefined, used: [] as number[] }))
vi.mock(import("#gpu-runner/device/context.ts"), async (original) => {
  const module = await original()
  const createContext: typeof module.createContext = (gpu, kernels, options) => {
    const context = module.createContext(gpu, kernels, { ...options, matrixRangeBytes: held.rangeBytes })
    held.used.push(context.matrixRangeBytes)
    return context
  }
  return { ...module, createContext }
})

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 10)

// 24 rows of 32 channels: the embedding lies in more than ten ranges.
const RANGE_BYTES = 3072
const CONFIG = { method: "tdpo", loraRank: 0, epochs: 2, learningRate: 1e-3, optimiser: "adamw-8bit" }

function weightsOf(out: string) {
  return readSafetensors(new Uint8Array(readFileSync(workspace.at(out, "model.safetensors")))).tensors
}

softwareTest(
  "all weights in ranges, killed and resumed, end with the weights of a run without ranges",
  async ({ gpu }) => {
    const whole = await trainRun(gpu, tiny.inputs("whole", CONFIG))
    held.rangeBytes = RANGE_BYTES
    try {
      const onProgress: RunInputs["onProgress"] = (event) => {
        if (event._tag === "Step" && event.step === 3) throw new Error("killed")
      }
      await expect(trainRun(gpu, tiny.inputs("ranges", CONFIG, { onProgress }))).rejects.toThrow("killed")
      const resumed = await trainRun(gpu, tiny.inputs("ranges", CONFIG, { resume: true }))
      expect(resumed.resumedFromStep).toBe(2)
      expect(held.used.slice(-2)).toEqual([RANGE_BYTES, RANGE_BYTES])
      expect(Object.keys(resumed.files)).toEqual(Object.keys(whole.files))
    } finally {
      held.rangeBytes = undefined
    }
    const expected = weightsOf("whole")
    for (const [name, tensor] of weightsOf("ranges")) {
      expect(relativeError(asFloat32(tensor), Float64Array.from(asFloat32(expected.get(name)!))), name).toBeLessThan(
        1e-4,
      )
    }
    const losses = (out: string) => metricsOf(workspace, out).map(({ loss }) => expect.closeTo(loss!, 5))
    expect(metricsOf(workspace, "ranges").map(({ loss }) => loss)).toEqual(losses("whole"))
  },
)
