// What holding a frozen base in fewer bits does to its log-probs, against the same model in f32:
// node test/bench/precision.ts [--model DIR] [--data FILE] [--pairs COUNT]. By default the demo's model on the demo's comparisons.
// Prints a table: bits of a linear weight, bytes of the model, relative error of linear weights, and |Δ log-prob| per scored token and
// of a response's mean, and of a pair's gap (both of which the self-test before training looks at), nats.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { parseArgs } from "node:util"
import { type ModelFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { readDataFile } from "#gpu-runner/data/rows/data-file.ts"
import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import { rowPositions, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { closeContext, createContext } from "#gpu-runner/device/context.ts"
import { type GpuDevice, openDevice } from "#gpu-runner/device/open-device.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { scoringTokenBudget } from "#gpu-runner/trainer/plan/scoring-budget.ts"
import { type RowScores, scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { heldBytes, heldKind } from "#shared/formats/weights/base-weights.ts"
import {
  expandMatrix,
  storedBytes,
  storeMatrix,
  WEIGHT_KINDS,
  type WeightKind,
} from "#shared/formats/weights/quantisation.ts"
import { asFloat32 } from "#shared/formats/weights/tensor.ts"
import { meanLogProb } from "#shared/methods/pair-log-probs.ts"

const DEMO_MODEL = "infra/demo/model"
const DEMO_TRAFFIC = "infra/demo/data/traffic.jsonl"

interface Message {
  readonly role: string
  readonly content: string
}
interface NativeEvent {
  readonly id: string
  readonly carrier: string
  readonly expect: { readonly pairs?: number }
  readonly body: {
    readonly prompt: readonly Message[]
    readonly candidates: readonly { response: readonly Message[] }[]
  }
}

/** The demo's comparisons as rows of preference data; which of the two is called chosen does not matter here. */
function demoPairs(): string {
  const lines = readFileSync(DEMO_TRAFFIC, "utf8").trim().split("\n")
  return lines
    .map((line) => JSON.parse(line) as NativeEvent)
    .filter(({ carrier, expect, body }) => carrier === "native" && expect.pairs === 1 && body.candidates.length === 2)
    .map(({ id, body: { prompt, candidates } }) =>
      JSON.stringify({ id, prompt, chosen: candidates[0]!.response, rejected: candidates[1]!.response }),
    )
    .join("\n")
}

async function readRows(model: ModelFolder, file: string | undefined, count: number): Promise<readonly TokenRow[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "yohaku-precision-"))
  try {
    const demo = path.join(folder, "demo.jsonl")
    if (file === undefined) writeFileSync(demo, demoPairs())
    const maxLength = model.config.maxPositions
    const { rows } = await readDataFile(file ?? demo, model.tokenisation, { kind: "pairs", maxLength })
    return rows.slice(0, count)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function scoresIn(gpu: GpuDevice, model: ModelFolder, rows: readonly TokenRow[], kind: WeightKind) {
  const context = createContext(gpu)
  const positionCount = rows.reduce((most, row) => Math.max(most, rowPositions(row)), 1)
  const decoder = createDecoder(context, model, { positionCount, baseWeights: kind })
  try {
    return await scoreRows(context, decoder, rows, { tokenBudget: scoringTokenBudget(model.config, gpu) })
  } finally {
    decoder.release()
    closeContext(context)
  }
}

/** √(Σ(held − w)² / Σw²) and bits a weight over the matrices that are held as `kind`. */
function weightError(model: ModelFolder, kind: WeightKind) {
  const sums = { error: 0, weight: 0, bytes: 0, count: 0 }
  for (const tensor of model.tensors.values()) {
    if (tensor.shape.length !== 2 || heldKind(tensor, kind) !== kind) continue
    const values = asFloat32(tensor)
    const held = expandMatrix(storeMatrix(tensor, kind))
    for (let index = 0; index < values.length; index++) {
      sums.error += (held[index]! - values[index]!) ** 2
      sums.weight += values[index]! ** 2
    }
    sums.count += values.length
    sums.bytes += storedBytes(kind, tensor.shape[0]!, tensor.shape[1]!)
  }
  return { relative: Math.sqrt(sums.error / sums.weight), bits: (8 * sums.bytes) / sums.count }
}

function differences(left: readonly RowScores[], right: readonly RowScores[]) {
  const ofToken: number[] = []
  const ofResponse: number[] = []
  const ofGap: number[] = []
  left.forEach((scores, row) => {
    const [chosen, rejected] = (["chosen", "rejected"] as const).map((side) => {
      const other = right[row]![side]
      scores[side].forEach((value, token) => {
        ofToken.push(Math.abs(value - other[token]!))
      })
      return meanLogProb(responseLogProb(scores[side])) - meanLogProb(responseLogProb(other))
    })
    ofResponse.push(Math.abs(chosen!), Math.abs(rejected!))
    ofGap.push(Math.abs(chosen! - rejected!))
  })
  return { token: summary(ofToken), response: summary(ofResponse), gap: summary(ofGap), tokens: ofToken.length }
}

function summary(values: readonly number[]) {
  const largest = values.reduce((most, value) => Math.max(most, value), 0)
  return { largest, mean: values.reduce((sum, value) => sum + value, 0) / values.length }
}

const { values: options } = parseArgs({
  options: { model: { type: "string" }, data: { type: "string" }, pairs: { type: "string", default: "64" } },
})
const model = await readModelFolder(options.model ?? DEMO_MODEL)
const rows = await readRows(model, options.data, Number(options.pairs))
const gpu = await openDevice()
try {
  const exact = await scoresIn(gpu, model, rows, "f32")
  const { tokens } = differences(exact, exact)
  console.log(`${rows.length} pairs, ${tokens} scored tokens, ${gpu.info.description}\n`)
  console.log(
    "| kind | bits | model MB | weight error | token max | token mean | response max | response mean | gap max |",
  )
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
  for (const kind of WEIGHT_KINDS) {
    const { token, response, gap } = differences(await scoresIn(gpu, model, rows, kind), exact)
    const { relative, bits } = weightError(model, kind)
    const megabytes = heldBytes(model.config, (name) => model.tensors.get(name)!.dtype, kind).total / 1e6
    const errors = [relative, token.largest, token.mean, response.largest, response.mean, gap.largest]
    const cells = [kind, bits, megabytes.toFixed(2), ...errors.map((error) => error.toExponential(1))]
    console.log(`| ${cells.join(" | ")} |`)
  }
} finally {
  gpu.destroy()
}
