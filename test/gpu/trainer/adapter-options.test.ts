// Options of the adapter in whole runs: dropout follows from seeds alone, and rank-stabilised scaling is another alpha.
import { readFileSync } from "node:fs"
import { afterAll, expect } from "vitest"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { metricsOf, timeless, tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 12)

const matricesOf = (out: string) => readFileSync(workspace.at(out, "adapter_model.safetensors"))

softwareTest("a run with dropout, killed and resumed, ends with the bytes of an uninterrupted one", async (context) => {
  // Steps of several micro-batches: each is scored first and computed again, with the same masks.
  const config = { epochs: 3, batch: 6, loraDropout: 0.3, tokensPerMicroBatch: 60 }
  const whole = await trainRun(context.gpu, tiny.inputs("dropout", config))
  const killed = trainRun(
    context.gpu,
    tiny.inputs("dropout-killed", config, {
      onProgress: (event) => {
        if (event._tag === "Step" && event.step === 3) throw new Error("killed")
      },
    }),
  )
  await expect(killed).rejects.toThrow("killed")
  const resumed = await trainRun(context.gpu, tiny.inputs("dropout-killed", config, { resume: true }))
  expect(resumed.files).toEqual(whole.files)
  expect(timeless(metricsOf(workspace, "dropout-killed"))).toEqual(timeless(metricsOf(workspace, "dropout")))

  await trainRun(context.gpu, tiny.inputs("no-dropout", { ...config, loraDropout: 0 }))
  const [dropped, plain] = [metricsOf(workspace, "dropout"), metricsOf(workspace, "no-dropout")]
  // A fresh adapter's B is zero, so that the first step sees no difference in its log-probs, but does in its gradient.
  expect(dropped[0]!["logps/chosen"]).toBe(plain[0]!["logps/chosen"])
  expect(dropped[0]!.grad_norm).not.toBe(plain[0]!.grad_norm)
  expect(dropped[2]!["logps/chosen"]).not.toBe(plain[2]!["logps/chosen"])
  const settings = JSON.parse(readFileSync(workspace.at("dropout", "adapter_config.json"), "utf8"))
  expect(settings).toMatchObject({ lora_dropout: 0.3, use_rslora: false })
})

softwareTest(
  "every step drops other elements; without dropout a step on the same rows repeats itself",
  async (context) => {
    const norms = async (loraDropout: number) => {
      const still = { epochs: 3, batch: 12, shuffle: false, learningRate: 1e-30 }
      await trainRun(context.gpu, tiny.inputs("still", { ...still, loraDropout }))
      return new Set(metricsOf(workspace, "still").map(({ grad_norm }) => grad_norm)).size
    }
    expect(await norms(0.3)).toBe(3)
    expect(await norms(0)).toBe(1)
  },
)

for (const method of ["dpo", "orpo"]) {
  softwareTest(`${method} with dropout is the same run however memory cuts its steps`, async (context) => {
    const cut = async (tokensPerMicroBatch: number) => {
      const config = { method, batch: 12, loraDropout: 0.3, maxSteps: 3, tokensPerMicroBatch }
      await trainRun(context.gpu, tiny.inputs(`cut-${tokensPerMicroBatch}`, config))
      return metricsOf(workspace, `cut-${tokensPerMicroBatch}`)
    }
    const [whole, inParts, alone] = [await cut(4096), await cut(70), await cut(1)]
    for (const lines of [inParts, alone]) {
      lines.forEach((line, step) => {
        for (const name of ["loss", "grad_norm", "logps/chosen", "entropy"]) {
          const difference = Math.abs(line[name]! / whole[step]![name]! - 1)
          expect(difference, `${name} of step ${step + 1}`).toBeLessThan(2e-5)
        }
      })
    }
  })
}

softwareTest("rank-stabilised scaling of alpha α is the plain one of alpha α·√rank, bit for bit", async (context) => {
  await trainRun(context.gpu, tiny.inputs("stabilised", { epochs: 2, loraAlpha: 6, useRankStabilisedLora: true }))
  await trainRun(context.gpu, tiny.inputs("plain", { epochs: 2, loraAlpha: 12 }))
  expect(matricesOf("stabilised").equals(matricesOf("plain"))).toBe(true)
  const settings = JSON.parse(readFileSync(workspace.at("stabilised", "adapter_config.json"), "utf8"))
  expect(settings).toMatchObject({ r: 4, lora_alpha: 6, use_rslora: true })
})
