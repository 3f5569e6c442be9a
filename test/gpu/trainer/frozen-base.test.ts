// Training an adapter on a base of fewer bits: it learns, its reference is the base as held, and it is merged into the checkpoint.
import { readFileSync } from "node:fs"
import { afterAll, expect } from "vitest"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import { mergeAdapter } from "#gpu-runner/data/model/merge-adapter.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { SelfTestFailed } from "#gpu-runner/trainer/errors.ts"
import { scoredPair } from "#gpu-runner/trainer/results/evaluate.ts"
import type { ProgressEvent } from "#gpu-runner/trainer/run/run-inputs.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { readAdapter } from "#shared/formats/peft/adapter.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { asFloat32 } from "#shared/formats/weights/safetensors.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { metricsOf, tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 12)
const CONFIG = { baseWeights: "nf4", batch: 6, maxSteps: 10 }

/** The rows with the base's own log-probs, held as `baseWeights`, as their reference. */
async function referenced(context: OpContext, baseWeights: BaseWeights) {
  const model = createDecoder(context, tiny.model, { positionCount: 64, baseWeights })
  const scores = await scoreRows(context, model, tiny.rows, { tokenBudget: 4096 })
  model.release()
  return tiny.rows.map((row, index) => ({ ...row, reference: scoredPair(scores[index]!) }))
}

softwareTest("ten α-DPO steps of LoRA on an nf4 base learn; the reference is named for nf4", async (context) => {
  const events: ProgressEvent[] = []
  const report = await trainRun(context.gpu, tiny.inputs("nf4", CONFIG, { onProgress: (event) => events.push(event) }))
  expect(report.steps).toBe(10)
  expect(report.loss.last!).toBeLessThan(0.9 * report.loss.first!)
  const lines = metricsOf(workspace, "nf4")
  expect(lines.at(-1)!["rewards/margins"]!).toBeGreaterThan(lines[0]!["rewards/margins"]! + 0.2)
  // Policy and reference are the same quantised base before the first step.
  expect(report.selfTest!.maxDifference).toBeLessThan(1e-6)
  expect(report.reference).toEqual({ source: "computed", digest: await baseFingerprint(tiny.model, "nf4") })
  expect(report.reference.digest).not.toBe(tiny.model.fingerprint)
  const memory = events.find((event) => event._tag === "Memory")!
  expect(memory.forecast).toMatchObject({ linearKinds: "nf4", tableKinds: "bf16" })
})

softwareTest(
  "an adapter trained on nf4 is merged into the checkpoint's own weights, never into nf4",
  async (context) => {
    await trainRun(context.gpu, tiny.inputs("merged", CONFIG))
    const file = (name: string) => new Uint8Array(readFileSync(workspace.at("merged", name)))
    const adapter = readAdapter(
      {
        "adapter_config.json": file("adapter_config.json"),
        "adapter_model.safetensors": file("adapter_model.safetensors"),
      },
      tiny.model.config,
    )
    const merged = mergeAdapter(tiny.model.tensors, adapter)
    for (const [path, { a, b }] of adapter.modules) {
      const name = `${path}.weight`
      const base = asFloat32(tiny.model.tensors.get(name)!)
      const { rank } = adapter.settings
      const columns = a.length / rank
      asFloat32(merged.get(name)!).forEach((value, index) => {
        const [row, column] = [Math.floor(index / columns), index % columns]
        let update = 0
        for (let r = 0; r < rank; r++) update += b[row * rank + r]! * a[r * columns + column]!
        expect(value).toBeCloseTo(base[index]! + adapter.scaling * update, 6)
      })
    }
  },
)

softwareTest(
  "a reference scored in f32 is refused for an nf4 base, and accepted within a wider tolerance",
  async (context) => {
    const train = await referenced(context, "f32")
    const refused = trainRun(context.gpu, tiny.inputs("other-precision", CONFIG, { train }))
    await expect(refused).rejects.toThrow(SelfTestFailed)
    await expect(refused).rejects.toThrow("precision of the weights (baseWeights)")
    const wide = tiny.inputs("wide", { ...CONFIG, maxSteps: 1, selfTestTolerance: 1 }, { train })
    const report = await trainRun(context.gpu, wide)
    expect(report.selfTest!.maxDifference).toBeGreaterThan(1e-3)
  },
)

softwareTest("a reference scored in nf4 fits an nf4 base exactly", async (context) => {
  const train = await referenced(context, "nf4")
  const report = await trainRun(context.gpu, tiny.inputs("same-precision", { ...CONFIG, maxSteps: 1 }, { train }))
  expect(report.selfTest!.maxDifference).toBeLessThan(1e-6)
})
