// Evaluation during training: what it says, that it changes nothing, and what stops or picks by it.
import { readdirSync } from "node:fs"
import { afterAll, expect } from "vitest"
import { UnusableConfig } from "#gpu-runner/trainer/errors.ts"
import type { ProgressEvent, RunInputs } from "#gpu-runner/trainer/run/run-inputs.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { metricsOf, timeless, tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 16)
const split = { train: tiny.rows.slice(0, 10), heldOut: tiny.rows.slice(10) }
/** Held-out pairs that disagree with the training pairs: training makes them worse. */
const contrary = split.heldOut.map((row) => ({ ...row, chosenIds: row.rejectedIds, rejectedIds: row.chosenIds }))

softwareTest(
  "evaluations come before the first step, every n steps and at the end, under TRL's names",
  async (context) => {
    const seen: [number, boolean][] = []
    const onProgress = (event: ProgressEvent) => {
      if (event._tag === "Evaluated") seen.push([event.step, event.isBest])
    }
    const config = { batch: 5, epochs: 4, evaluateEvery: 3 }
    const report = await trainRun(context.gpu, tiny.inputs("every", config, { ...split, onProgress }))
    expect(seen.map(([step]) => step)).toEqual([0, 3, 6, 8])
    expect(seen[0]![1]).toBe(false)
    const lines = metricsOf(workspace, "every")
    expect(lines.filter((line) => "eval_loss" in line).map(({ step }) => step)).toEqual([3, 6, 8])
    expect(Object.keys(lines.at(-1)!).filter((name) => name.startsWith("eval_"))).toEqual(
      expect.arrayContaining(
        ["loss", "accuracy", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"]
          .concat(["logps/chosen", "logps/rejected", "kl/per_token"])
          .map((name) => `eval_${name}`),
      ),
    )
    expect(report.heldOut!.after.loss).toBe(lines.at(-1)!.eval_loss)
    expect(report.heldOut!.before.loss).toBeGreaterThan(report.heldOut!.after.loss)
  },
)

softwareTest("DPO's held-out loss begins at ln 2, and α-DPO's with z = 0 is SimPO's", async (context) => {
  const before = async (out: string, config: object) =>
    (await trainRun(context.gpu, tiny.inputs(out, { maxSteps: 1, ...config }, split))).heldOut!.before
  expect(Math.abs((await before("dpo", { method: "dpo" })).loss - Math.LN2)).toBeLessThan(1e-6)
  const simpo = await before("simpo", { method: "simpo" })
  expect((await before("alpha", { method: "alpha-dpo" })).loss).toBeCloseTo(simpo.loss, 9)
})

softwareTest("evaluating after every step leaves adapter and metrics as they are without", async (context) => {
  const config = { epochs: 2 }
  const plain = await trainRun(context.gpu, tiny.inputs("plain", config, { train: split.train }))
  const judged = await trainRun(context.gpu, tiny.inputs("judged", { ...config, evaluateEvery: 1 }, split))
  expect(judged.files).toEqual(plain.files)
  const own = timeless(metricsOf(workspace, "judged")).map((line) =>
    Object.fromEntries(Object.entries(line).filter(([name]) => !name.startsWith("eval_"))),
  )
  expect(own).toEqual(timeless(metricsOf(workspace, "plain")))
})

softwareTest("held-out numbers are means over pairs: how the pairs are batched does not matter", async (context) => {
  const evaluated = async (out: string, tokensPerMicroBatch: number) => {
    await trainRun(context.gpu, tiny.inputs(out, { maxSteps: 2, tokensPerMicroBatch }, split))
    return metricsOf(workspace, out).at(-1)!
  }
  const [whole, single] = [await evaluated("batched", 4096), await evaluated("single", 1)]
  for (const name of ["eval_loss", "eval_rewards/margins", "eval_logps/chosen", "eval_accuracy"]) {
    expect(Math.abs(single[name]! - whole[name]!) / (Math.abs(whole[name]!) + 1e-9), name).toBeLessThan(1e-5)
  }
})

/** Steps that have a checkpoint. */
const stepsOf = (out: string) =>
  readdirSync(workspace.at(out, "checkpoints")).flatMap((name) =>
    name.startsWith("step-") ? Number(name.slice(5, 13)) : [],
  )

const stopping = {
  batch: 5,
  epochs: 20,
  evaluateEvery: 1,
  earlyStoppingPatience: 3,
  loadBestAtEnd: true,
  keepCheckpoints: 1,
  checkpointEvery: 100,
}

softwareTest("patience ends a run whose held-out loss rises, and the best parameters are written", async (context) => {
  const contrarySplit = { train: split.train, heldOut: contrary }
  const report = await trainRun(context.gpu, tiny.inputs("stopped", stopping, contrarySplit))
  const losses = metricsOf(workspace, "stopped").map((line) => line.eval_loss_at_fixed_margin!)
  expect(report.isStoppedEarly).toBe(true)
  expect(report.stepsDone).toBe(report.best!.step + 3)
  expect(losses).toHaveLength(report.stepsDone)
  expect(report.best).toEqual({
    step: 1 + losses.indexOf(Math.min(...losses)),
    value: Math.min(...losses),
    isWritten: true,
  })
  expect(report.heldOut!.after.comparableLoss).toBeCloseTo(report.best!.value, 9)
  expect(stepsOf("stopped")).toEqual([report.best!.step, report.stepsDone])
  const short = { ...stopping, loadBestAtEnd: false, earlyStoppingPatience: 0, maxSteps: report.best!.step }
  const upToBest = await trainRun(context.gpu, tiny.inputs("up-to-best", short, contrarySplit))
  expect(report.files).toEqual(upToBest.files)
})

softwareTest(
  "killed between evaluations, an early stopping run ends where the uninterrupted one does",
  async (context) => {
    const contrarySplit = { train: split.train, heldOut: contrary }
    const whole = await trainRun(context.gpu, tiny.inputs("whole", stopping, contrarySplit))
    const onProgress: RunInputs["onProgress"] = (event) => {
      if (event._tag === "Step" && event.step === whole.stepsDone - 1) throw new Error("killed")
    }
    const killed = tiny.inputs("killed", stopping, { ...contrarySplit, onProgress })
    await expect(trainRun(context.gpu, killed)).rejects.toThrow("killed")
    const resumed = await trainRun(context.gpu, tiny.inputs("killed", stopping, { ...contrarySplit, resume: true }))
    expect(resumed.resumedFromStep).toBe(whole.best!.step)
    expect(resumed.files).toEqual(whole.files)
    expect(resumed.best).toEqual(whole.best)
    expect(timeless(metricsOf(workspace, "killed"))).toEqual(timeless(metricsOf(workspace, "whole")))
    const again = await trainRun(context.gpu, tiny.inputs("killed", stopping, { ...contrarySplit, resume: true }))
    expect(again.files).toEqual(whole.files)
  },
)

softwareTest(
  "beyond its budget of drift a run that is told so goes on at half the rate, and ends the same killed and resumed",
  async (context) => {
    const config = {
      batch: 5,
      epochs: 4,
      evaluateEvery: 2,
      loadBestAtEnd: true,
      checkpointEvery: 3,
      schedule: "linear",
    }
    const free = await trainRun(context.gpu, tiny.inputs("free", { ...config, klBudget: 1000 }, split))
    const drifts = metricsOf(workspace, "free").flatMap((line) => line.eval_drift ?? [])
    expect(drifts).toHaveLength(4)
    const budget = { ...config, klBudget: drifts[0]! / 1000, onKlBudget: "lower-rate" }
    const lowered = await trainRun(context.gpu, tiny.inputs("lowered", budget, split))
    expect(lowered).toMatchObject({ isStoppedEarly: false, stepsDone: 8, best: null })
    const lines = metricsOf(workspace, "lowered")
    const rates = metricsOf(workspace, "free").map((line) => line.learning_rate!)
    // Beyond it after steps 2, 4, 6 and 8.
    expect(lines.map((line) => line.learning_rate)).toEqual(
      rates.map((rate, step) => rate * 0.5 ** Math.floor(step / 2)),
    )
    expect(lines.flatMap((line) => line.rate_share ?? [])).toEqual([0.5, 0.25, 0.125, 0.0625])
    expect(lines[1]!.eval_drift).toBe(drifts[0])
    expect(lines.at(-1)!.eval_drift).toBeLessThan(drifts.at(-1)!)
    expect(free.files).not.toEqual(lowered.files)

    const onProgress: RunInputs["onProgress"] = (event) => {
      if (event._tag === "Step" && event.step === 5) throw new Error("killed")
    }
    const killed = tiny.inputs("lowered-killed", budget, { ...split, onProgress })
    await expect(trainRun(context.gpu, killed)).rejects.toThrow("killed")
    const resumed = await trainRun(context.gpu, tiny.inputs("lowered-killed", budget, { ...split, resume: true }))
    expect(resumed.resumedFromStep).toBe(3)
    expect(resumed.files).toEqual(lowered.files)
    expect(timeless(metricsOf(workspace, "lowered-killed"))).toEqual(timeless(lines))
  },
)

softwareTest("keys that need held-out pairs are refused without any", async (context) => {
  for (const config of [{ loadBestAtEnd: true }, { earlyStoppingPatience: 1 }, { evaluateEvery: 5 }]) {
    const refused = trainRun(context.gpu, tiny.inputs("refused", config))
    await expect(refused).rejects.toThrow(UnusableConfig)
    await expect(refused).rejects.toThrow(`${Object.keys(config)[0]} needs held-out pairs; give --held-out`)
  }
})
