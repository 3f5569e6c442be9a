// The training loop on the software adapter: what it learns, what must not matter, and what survives an interruption.
// Over 300 lines: all laws of one run.
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { afterAll, expect } from "vitest"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import { rowTokens, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import {
  CheckpointMismatch,
  NothingTrained,
  SelfTestFailed,
  TrainingAborted,
  TrainingDiverged,
  UnfinishedRun,
} from "#gpu-runner/trainer/errors.ts"
import type { ProgressEvent, RunInputs } from "#gpu-runner/trainer/run/run-inputs.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { readAdapter } from "#shared/formats/peft/adapter.ts"
import { pairAccuracy } from "#shared/methods/accuracy.ts"
import { meanLogProb } from "#shared/methods/pair-log-probs.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { decoderPass } from "#test/reference/decoder-backward.ts"
import { weightValues } from "#test/reference/random-decoder.ts"
import { softwareTest } from "../lanes.ts"
import { beyondBounds, metricsOf, timeless, tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 12)

/** Rows with the base model's log-probs as their reference, from the f64 twin. */
function referenced(rows: readonly TokenRow[], shift = 0): TokenRow[] {
  const { logProbs } = decoderPass(tiny.model.config, weightValues(tiny.model.tensors as never), rows)
  let at = 0
  return rows.map((row) => {
    const take = (count: number) => {
      at += count
      return responseLogProb(logProbs.slice(at - count, at).map((value) => value + shift))
    }
    return { ...row, reference: { chosen: take(row.chosenIds.length), rejected: take(row.rejectedIds.length) } }
  })
}

async function scoredBy(context: OpContext, out: string, rows: readonly TokenRow[]) {
  const file = (name: string) => new Uint8Array(readFileSync(workspace.at(out, name)))
  const files = {
    "adapter_config.json": file("adapter_config.json"),
    "adapter_model.safetensors": file("adapter_model.safetensors"),
  }
  const adapter = readAdapter(files, tiny.model.config)
  const model = createDecoder(context, tiny.model, { positionCount: 64, adapter })
  const scores = await scoreRows(context, model, rows, { tokenBudget: 4096 })
  model.release()
  return scores.map(({ chosen, rejected }) => ({
    chosen: responseLogProb(chosen),
    rejected: responseLogProb(rejected),
  }))
}

softwareTest(
  "α-DPO separates its training pairs: accuracy 1 and a mean margin above .6 nats per token",
  async (context) => {
    const report = await trainRun(context.gpu, tiny.inputs("learns", { epochs: 15, batch: 6 }))
    const pairs = await scoredBy(context, "learns", tiny.rows)
    expect(pairAccuracy(pairs).accuracy).toBe(1)
    const margins = pairs.map(({ chosen, rejected }) => meanLogProb(chosen) - meanLogProb(rejected))
    expect(margins.reduce((sum, margin) => sum + margin, 0) / margins.length).toBeGreaterThan(0.6)
    expect(report.loss.last!).toBeLessThan(0.75 * report.loss.first!)
    expect(report.selfTest!.maxDifference).toBeLessThan(1e-6)
    expect(report.reference).toEqual({ source: "computed", digest: tiny.model.fingerprint })
    const [first] = metricsOf(workspace, "learns")
    expect(Math.abs(first!["gap/mean"]!)).toBeLessThan(1e-6)
    expect(Math.abs(first!["kl/per_token"]!)).toBeLessThan(1e-6)
  },
)

softwareTest("one step of 12 pairs is the same however it is cut into micro-batches", async (context) => {
  const facts = ["loss", "grad_norm", "logps/chosen", "entropy", "rewards/margins", "gap/std"]
  const run = async (out: string, tokensPerMicroBatch: number) => {
    await trainRun(context.gpu, tiny.inputs(out, { batch: 12, epochs: 3, tokensPerMicroBatch }))
    return metricsOf(workspace, out)
  }
  const whole = await run("whole", 4096)
  expect(whole).toHaveLength(3)
  const lengths = tiny.rows.map(rowTokens)
  // One pair each, about two, three and six pairs each.
  for (const pairs of [1, 2, 3, 6]) {
    const split = await run(`split-${pairs}`, pairs * Math.max(...lengths))
    whole.forEach((line, step) => {
      for (const name of facts) {
        // Relative, and for what is near 0 at first (the gap) in its own unit, nats per token.
        const difference = Math.abs(split[step]![name]! - line[name]!) / Math.max(1, Math.abs(line[name]!))
        expect(difference, `${pairs} pairs, ${name} of step ${step + 1}`).toBeLessThan(1e-5)
      }
    })
  }
})

softwareTest("a short last step is a mean over its own pairs", async (context) => {
  await trainRun(context.gpu, tiny.inputs("short", { batch: 5, epochs: 1, shuffle: false, learningRate: 1e-12 }))
  await trainRun(context.gpu, tiny.inputs("alone", { batch: 2, epochs: 1, shuffle: false, learningRate: 1e-12 }))
  const [short, alone] = [metricsOf(workspace, "short"), metricsOf(workspace, "alone")]
  expect(short).toHaveLength(3)
  for (const name of ["logps/chosen", "rewards/margins"]) {
    expect(Math.abs(short[2]![name]! / alone[5]![name]! - 1), name).toBeLessThan(1e-5)
  }
})

softwareTest("two runs give the same bytes", async (context) => {
  const first = await trainRun(context.gpu, tiny.inputs("twice-1", { epochs: 2 }))
  const second = await trainRun(context.gpu, tiny.inputs("twice-2", { epochs: 2 }))
  expect(second.files).toEqual(first.files)
  expect(timeless(metricsOf(workspace, "twice-2"))).toEqual(timeless(metricsOf(workspace, "twice-1")))
})

/** Stops a run as a killed process would: right after a step, with nothing written on the way out. */
function killedAfter(step: number): Partial<RunInputs> {
  return {
    onProgress: (event) => {
      if (event._tag === "Step" && event.step === step) throw new Error("killed")
    },
  }
}

softwareTest("a killed run, resumed, ends with the bytes and metrics of an uninterrupted one", async (context) => {
  const config = { epochs: 3, batch: 4, schedule: "cosine", warmupRatio: 0.1 }
  const whole = await trainRun(context.gpu, tiny.inputs("uninterrupted", config))
  for (const step of [1, 3, 8]) {
    const out = `killed-${step}`
    await expect(trainRun(context.gpu, tiny.inputs(out, config, killedAfter(step)))).rejects.toThrow("killed")
    const resumed = await trainRun(context.gpu, tiny.inputs(out, config, { resume: true }))
    expect(resumed.resumedFromStep).toBe(2 * Math.floor((step - 1) / 2))
    expect(resumed.files).toEqual(whole.files)
    expect(timeless(metricsOf(workspace, out))).toEqual(timeless(metricsOf(workspace, "uninterrupted")))
  }
})

softwareTest(
  "a run killed again and again before its first step makes progress, and ends as an undisturbed one",
  async (context) => {
    const heldOut = { train: tiny.rows.slice(0, 9), heldOut: tiny.rows.slice(9) }
    const config = { epochs: 2, useWeighting: true, tokensPerMicroBatch: 60 }
    const whole = await trainRun(context.gpu, tiny.inputs("unkilled", config, heldOut))
    const scored: string[] = []
    const killedAtScoring: RunInputs["onProgress"] = (event) => {
      if (event._tag !== "Preparing" || !event.what.endsWith("scored") || event.what.startsWith("self-test")) return
      const line = `${event.what} ${event.done}`
      if (scored.includes(line)) return
      scored.push(line)
      throw new Error("killed")
    }
    const again = (more: object) => trainRun(context.gpu, tiny.inputs("killed-early", config, { ...heldOut, ...more }))
    let kills = 0
    for (; kills < 20; kills++) {
      const outcome = await again({ resume: true, onProgress: killedAtScoring }).catch((error: Error) => error.message)
      if (outcome !== "killed") break
    }
    // Every kill came one micro-batch later than the one before it.
    expect(kills).toBe(scored.length)
    expect(scored.length).toBeGreaterThan(4)
    const lines: string[] = []
    const resumed = await again({
      resume: true,
      onProgress: (event: ProgressEvent) => {
        if (event._tag === "Preparing" && event.what.endsWith("scored")) lines.push(`${event.what} ${event.done}`)
      },
    })
    expect(lines.slice(0, 1)).toEqual(["reference: scored 9"])
    expect(lines).toContain("held-out pairs: scored 3")
    expect(lines.filter((line) => !line.startsWith("self-test"))).toHaveLength(2)
    expect(resumed.files).toEqual(whole.files)
    expect(resumed.heldOut).toEqual(whole.heldOut)
    expect(timeless(metricsOf(workspace, "killed-early"))).toEqual(timeless(metricsOf(workspace, "unkilled")))
  },
)

softwareTest("a full fine-tune with 8-bit moments learns like f32 ones, and resumes bit for bit", async (context) => {
  const config = { loraRank: 0, epochs: 4, batch: 4, learningRate: 2e-3, weightDecay: 0.01, maxGradNorm: 1 }
  const in8bits = { ...config, optimiser: "adamw-8bit" }
  const exact = await trainRun(context.gpu, tiny.inputs("full-f32", config))
  const whole = await trainRun(context.gpu, tiny.inputs("full-8bit", in8bits))
  expect(whole.files).not.toEqual(exact.files)
  expect(whole.loss.last!).toBeLessThan(0.75 * whole.loss.first!)
  expect(Math.abs(whole.loss.last! / exact.loss.last! - 1)).toBeLessThan(0.05)
  await expect(trainRun(context.gpu, tiny.inputs("full-killed", in8bits, killedAfter(7)))).rejects.toThrow("killed")
  const resumed = await trainRun(context.gpu, tiny.inputs("full-killed", in8bits, { resume: true }))
  expect(resumed.resumedFromStep).toBe(6)
  expect(resumed.files).toEqual(whole.files)
  expect(timeless(metricsOf(workspace, "full-killed"))).toEqual(timeless(metricsOf(workspace, "full-8bit")))
})

softwareTest("a stopped run writes a checkpoint first and goes on from that very step", async (context) => {
  const config = { epochs: 2 }
  const stop = new AbortController()
  const onProgress: RunInputs["onProgress"] = (event) => {
    if (event._tag === "Step" && event.step === 3) stop.abort()
  }
  const stopped = tiny.inputs("stopped", config, { onProgress, signal: stop.signal })
  await expect(trainRun(context.gpu, stopped)).rejects.toThrow(TrainingAborted)
  await expect(trainRun(context.gpu, tiny.inputs("stopped", config))).rejects.toThrow(UnfinishedRun)
  const resumed = await trainRun(context.gpu, tiny.inputs("stopped", config, { resume: true }))
  expect(resumed.resumedFromStep).toBe(3)
  const whole = await trainRun(context.gpu, tiny.inputs("not-stopped", config))
  expect(resumed.files).toEqual(whole.files)
})

softwareTest(
  "stopped before its first step, a run is refused until --resume says so, and then scores nothing again",
  async (context) => {
    const stop = new AbortController()
    const scored: number[] = []
    const onProgress: RunInputs["onProgress"] = (event) => {
      if (event._tag !== "Preparing" || !event.what.startsWith("reference")) return
      scored.push(event.done)
      stop.abort()
    }
    const config = { method: "dpo", epochs: 1, checkpointEvery: 100 }
    const stopped = trainRun(context.gpu, tiny.inputs("before-step-1", config, { onProgress, signal: stop.signal }))
    await expect(stopped).rejects.toThrow("training was stopped before step 1; --resume goes on from there")
    const first = scored.splice(0)
    expect(first.length).toBeGreaterThan(0)
    await expect(trainRun(context.gpu, tiny.inputs("before-step-1", config))).rejects.toThrow(UnfinishedRun)
    const resumed = await trainRun(context.gpu, tiny.inputs("before-step-1", config, { onProgress, resume: true }))
    expect(scored[0]).toBe(first.at(-1))
    const whole = await trainRun(context.gpu, tiny.inputs("never-stopped", config))
    expect(resumed.files).toEqual(whole.files)
  },
)

softwareTest("a damaged newest checkpoint is passed over, and the end is the same", async (context) => {
  const config = { epochs: 2 }
  await expect(trainRun(context.gpu, tiny.inputs("damaged", config, killedAfter(5)))).rejects.toThrow("killed")
  const folder = workspace.at("damaged", "checkpoints")
  const newest = readdirSync(folder).sort().at(-1)!
  const bytes = readFileSync(`${folder}/${newest}`)
  bytes[bytes.length - 3]! ^= 1
  writeFileSync(`${folder}/${newest}`, bytes)
  const damaged: string[] = []
  const onProgress: RunInputs["onProgress"] = (event) => {
    if (event._tag === "Resumed") damaged.push(...event.damagedCheckpoints)
  }
  const resumed = await trainRun(context.gpu, tiny.inputs("damaged", config, { resume: true, onProgress }))
  expect(damaged).toEqual([newest])
  expect(resumed.resumedFromStep).toBe(2)
  const whole = await trainRun(context.gpu, tiny.inputs("undamaged", config))
  expect(resumed.files).toEqual(whole.files)
})

softwareTest("a checkpoint of another configuration is refused", async (context) => {
  await expect(trainRun(context.gpu, tiny.inputs("changed", {}, killedAfter(3)))).rejects.toThrow("killed")
  const changed = tiny.inputs("changed", { learningRate: 1e-3 }, { resume: true })
  await expect(trainRun(context.gpu, changed)).rejects.toThrow(CheckpointMismatch)
  await expect(trainRun(context.gpu, changed)).rejects.toThrow(
    /of another run: learningRate was \S+ and is 0\.001; restore/,
  )
})

softwareTest(
  "the f64 twin's log-probs pass the self-test as a reference; shifted by .01 they stop the run",
  async (context) => {
    const report = await trainRun(context.gpu, tiny.inputs("given", { epochs: 1 }, { train: referenced(tiny.rows) }))
    expect(report.reference.source).toBe("given")
    expect(report.selfTest!.maxDifference).toBeLessThan(1e-5)
    const wrong = tiny.inputs("wrong", { epochs: 1 }, { train: referenced(tiny.rows, 0.01) })
    await expect(trainRun(context.gpu, wrong)).rejects.toThrow(SelfTestFailed)
    await expect(trainRun(context.gpu, wrong)).rejects.toThrow(
      /differ by 0\.0100 nats per token.*scored with other weights/,
    )
  },
)

softwareTest(
  "steps that are not finite are skipped and counted, and the third in a row ends the run by name",
  async (context) => {
    const wild = beyondBounds(tiny.inputs("wild", { epochs: 4, maxGradNorm: 0 }), { learningRate: 1e30 })
    await expect(trainRun(context.gpu, wild)).rejects.toThrow(TrainingDiverged)
    const lines = metricsOf(workspace, "wild")
    expect(lines.map(({ step, skipped }) => [step, skipped ?? false])).toEqual([
      [1, false],
      [2, true],
      [3, true],
      [4, true],
    ])
    expect(lines[1]!.loss).toBeNull()
  },
)

softwareTest("a skipped step leaves no trace in AdamW's count: the run ends as one without it", async (context) => {
  // IPO's derivative grows with the gap: a reference this far away gives a finite loss and a gradient whose norm overflows.
  const rows = tiny.rows.slice(0, 4).map((row, index) => {
    const sum = index === 1 ? -1e30 : -9
    return { ...row, reference: { chosen: { sum, count: row.chosenIds.length }, rejected: { sum: -9, count: 5 } } }
  })
  const config = { method: "ipo", batch: 1, epochs: 1, shuffle: false, checkpointEvery: 100 }
  const untested = { selfTestTolerance: 1e40 }
  const skipping = await trainRun(context.gpu, beyondBounds(tiny.inputs("skipping", config, { train: rows }), untested))
  expect(skipping.skippedSteps).toBe(1)
  expect(metricsOf(workspace, "skipping").map(({ skipped }) => skipped ?? false)).toEqual([false, true, false, false])
  const kept = { train: rows.filter((_, index) => index !== 1) }
  const without = beyondBounds(tiny.inputs("without", config, kept), untested)
  expect((await trainRun(context.gpu, without)).files).toEqual(skipping.files)
})

softwareTest("a run whose every step was skipped fails by name and writes no adapter", async (context) => {
  const rows = tiny.rows.slice(0, 2).map((row) => {
    const reference = { chosen: { sum: -1e30, count: row.chosenIds.length }, rejected: { sum: -9, count: 5 } }
    return { ...row, reference }
  })
  for (const epochs of [1, 2]) {
    const inputs = tiny.inputs(`nothing-${epochs}`, { method: "ipo", batch: 2, epochs }, { train: rows })
    const run = trainRun(context.gpu, beyondBounds(inputs, { selfTestTolerance: 1e40 }))
    const message = epochs === 1 ? /the run's one step was skipped/ : /all 2 steps of the run were skipped/
    await expect(run).rejects.toThrow(NothingTrained)
    await expect(run).rejects.toThrow(message)
    expect(readdirSync(workspace.at(`nothing-${epochs}`))).not.toContain("adapter_model.safetensors")
  }
})

softwareTest("under onNonFinite stop, or with one skip allowed, the first such step ends the run", async (context) => {
  for (const policy of [{ onNonFinite: "stop" }, { maxSkippedInARow: 1 }]) {
    const options = { epochs: 4, maxGradNorm: 0, ...policy }
    const wild = beyondBounds(tiny.inputs("stopped-wild", options), { learningRate: 1e30 })
    await expect(trainRun(context.gpu, wild)).rejects.toThrow(/the loss was not finite at step 2; lower learningRate/)
    expect(metricsOf(workspace, "stopped-wild")).toHaveLength(2)
  }
})

softwareTest(
  "full supervised fine-tuning lowers the loss below half and writes a model that scores alike",
  async (context) => {
    const rows = tiny.rows.map((row) => ({ ...row, rejectedIds: new Uint32Array(0) }))
    const config = { method: "sft", loraRank: 0, epochs: 20, learningRate: 3e-3, weightDecay: 0.01 }
    const report = await trainRun(context.gpu, tiny.inputs("sft", config, { train: rows }))
    expect(report.loss.last!).toBeLessThan(0.5 * report.loss.first!)
    const written = await readModelFolder(workspace.at("sft"))
    const model = createDecoder(context, written, { positionCount: 64 })
    const scores = await scoreRows(context, model, rows, { tokenBudget: 4096 })
    model.release()
    const sums = scores.map(({ chosen }) => responseLogProb(chosen))
    const loss = -sums.reduce((sum, s) => sum + s.sum, 0) / sums.reduce((sum, s) => sum + s.count, 0)
    expect(loss).toBeLessThan(report.loss.first! / 2)
  },
)

softwareTest(
  "training from an adapter takes the adapted base as its reference and starts with no gap",
  async (context) => {
    await trainRun(context.gpu, tiny.inputs("first-round", { epochs: 3 }))
    const file = (name: string) => new Uint8Array(readFileSync(workspace.at("first-round", name)))
    const adapter = readAdapter(
      {
        "adapter_config.json": file("adapter_config.json"),
        "adapter_model.safetensors": file("adapter_model.safetensors"),
      },
      tiny.model.config,
    )
    const report = await trainRun(
      context.gpu,
      tiny.inputs("second-round", { epochs: 1 }, { startAdapter: { adapter, digest: "first round" } }),
    )
    const [first] = metricsOf(workspace, "second-round")
    const last = metricsOf(workspace, "first-round").at(-1)!
    expect(Math.abs(first!["gap/mean"]!)).toBeLessThan(1e-6)
    expect(first!["logps/ref_chosen"]!).toBeCloseTo(first!["logps/chosen"]!, 4)
    expect(report.reference.digest).not.toBe(tiny.model.fingerprint)
    expect(last["gap/mean"]).toBeGreaterThan(0.01)
  },
)

softwareTest("DPO begins at ln 2, and the held-out pairs are judged before and after", async (context) => {
  const config = { method: "dpo", epochs: 6, batch: 4 }
  const inputs = tiny.inputs("dpo", config, { train: tiny.rows.slice(0, 8), heldOut: tiny.rows.slice(8) })
  const report = await trainRun(context.gpu, inputs)
  const lines = metricsOf(workspace, "dpo")
  expect(Math.abs(lines[0]!.loss! - Math.LN2)).toBeLessThan(1e-6)
  expect(report.heldOut!.before.pairs).toBe(4)
  expect(report.heldOut!.after.accuracy).toBeGreaterThanOrEqual(report.heldOut!.before.accuracy)
  expect(lines.filter((line) => "eval_accuracy" in line)).toHaveLength(6)
})

softwareTest("a run of more steps than it may take is refused before the first, with the mend", async (context) => {
  const run = (mostSteps: number) => trainRun(context.gpu, tiny.inputs("bounded", { maxSteps: 2 }, { mostSteps }))
  await expect(run(1)).rejects.toThrow("it would take 2 optimiser steps and may take 1; lower epochs or maxSteps")
  expect((await run(2)).stepsDone).toBe(2)
})

softwareTest("the report counts held-out pairs whose prompt is trained on", async (context) => {
  const split = { train: tiny.rows.slice(0, 8), heldOut: tiny.rows.slice(5, 10) }
  const { pairs } = await trainRun(context.gpu, tiny.inputs("repeats", { maxSteps: 1, schedule: "constant" }, split))
  expect(pairs).toEqual({ train: 8, heldOut: 5, nearDuplicates: 3, dropped: {} })
})

softwareTest("official statistics with a pair left over are refused before the first step", async (context) => {
  const config = { statistics: "official", officialGroupPairs: 4, batch: 12 }
  const run = (own: object) => trainRun(context.gpu, tiny.inputs("left-over", { ...config, ...own }))
  await expect(run({ batch: 5 })).rejects.toThrow(/a step of 5 pairs in groups of 4 leaves one over; change batch/)
  await expect(run({ batch: 11, officialGroupPairs: 8 })).rejects.toThrow(/a step of 1 pairs in groups of 8/)
  await run({ batch: 5, alpha: 0 })
})

softwareTest(
  "official statistics start where every run does, with policy = reference, and evaluate there",
  async (context) => {
    const own = { statistics: "official", officialGroupPairs: 4, schedule: "constant-with-warmup", warmupRatio: 0.3 }
    const heldOut = { train: tiny.rows.slice(0, 8), heldOut: tiny.rows.slice(8) }
    const report = await trainRun(
      context.gpu,
      tiny.inputs("official", { ...own, epochs: 2, evaluateEvery: 1 }, heldOut),
    )
    const lines = metricsOf(workspace, "official")
    // The warm-up's first step has rate 0, so that the second sees policy = reference too.
    expect(lines[0]!["margin/std"]).toBe(0)
    expect(lines[0]!["margin/mean"]).toBe(0.6)
    expect(lines[1]!["margin/std"]).toBe(0)
    expect(lines[2]!["margin/std"]).toBeGreaterThan(0.1)
    expect(report.skippedSteps).toBe(0)
    expect(lines.every((line) => Number.isFinite(line.loss) && Number.isFinite(line.eval_loss))).toBe(true)
  },
)
