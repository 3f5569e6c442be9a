// A training run on the tiny model of a temporary folder: what the trainer's tests vary.
import { readFileSync } from "node:fs"
import { Result } from "effect"
import { type ModelFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { readDataFile } from "#gpu-runner/data/rows/data-file.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { RunInputs } from "#gpu-runner/trainer/run/run-inputs.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { jsonLines, tinyPairs, type Workspace, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"

export interface TinyRun {
  readonly model: ModelFolder
  readonly rows: readonly TokenRow[]
  /** Inputs of a run with these options of `train --config`; its folder is `out` inside the workspace. */
  readonly inputs: (out: string, config?: Record<string, unknown>, more?: Partial<RunInputs>) => RunInputs
}

/** A run on a tiny Llama, or on the model folder that is given. */
export async function tinyRun(workspace: Workspace, pairCount: number, modelDir?: string): Promise<TinyRun> {
  const model = await readModelFolder(modelDir ?? writeTinyModel(workspace))
  const file = workspace.write("pairs.jsonl", jsonLines(tinyPairs(pairCount)))
  const { rows } = await readDataFile(file, model.tokenisation, { kind: "pairs", maxLength: 128 })
  const defaults = {
    batch: 4,
    epochs: 1,
    loraRank: 4,
    learningRate: 5e-3,
    warmupRatio: 0,
    schedule: "constant",
    checkpointEvery: 2,
  }
  return {
    model,
    rows,
    inputs: (out, config = {}, more = {}) => ({
      model,
      baseModel: "tiny",
      config: Result.getOrThrow(decodeTrainConfig({ ...defaults, ...config })),
      train: rows,
      heldOut: [],
      dropped: {},
      dataDigest: "tiny",
      referenceDigest: undefined,
      outDir: workspace.at(out),
      ...more,
    }),
  }
}

export type Line = Readonly<Record<string, number>>

/** metrics.jsonl of a run. */
export function metricsOf(workspace: Workspace, out: string): Line[] {
  const text = readFileSync(workspace.at(out, "metrics.jsonl"), "utf8")
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line)
}

/** Without the one number that depends on the clock. */
export function timeless(lines: readonly Line[]): Partial<Line>[] {
  return lines.map(({ tokens_per_second: _, ...rest }) => rest)
}

/** Inputs with numbers that no configuration may have, for what must hold when arithmetic overflows all the same. */
export const beyondBounds = (inputs: RunInputs, config: Readonly<Record<string, unknown>>): RunInputs => ({
  ...inputs,
  config: { ...inputs.config, ...config } as RunInputs["config"],
})
