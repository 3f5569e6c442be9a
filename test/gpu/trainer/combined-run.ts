// A training run with every choice drawn from a seed: family, method, what is trained, how the base is held, how steps are cut, evaluation.
import { type ModelFolder, readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { scoredPair } from "#gpu-runner/trainer/results/evaluate.ts"
import type { RunInputs } from "#gpu-runner/trainer/run/run-inputs.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { methodNames } from "#shared/methods/methods.ts"
import { TINY_FIELDS, type Workspace, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { FAMILY_NAMES, type FamilyName, seededRandom, smallFields } from "#test/reference/random-decoder.ts"
import { randomAdapter, randomRows } from "../models/tiny.ts"

/** Pairs of a run: one-token prompts and responses, and steps of 4, 4 and 2. */
const TRAINED = [
  [1, 1, 1],
  [3, 9, 2],
  [12, 1, 17],
  [2, 5, 5],
  [7, 3, 1],
  [4, 16, 8],
  [1, 6, 2],
  [9, 2, 11],
  [5, 4, 4],
  [2, 1, 13],
] as const
const HELD_OUT = [
  [1, 2, 1],
  [6, 1, 9],
  [3, 8, 4],
] as const

export const BATCH = 4

export interface CombinedRun {
  /** What was drawn, in words. */
  readonly name: string
  readonly family: FamilyName
  readonly config: Record<string, unknown>
  readonly trains: "fresh adapter" | "start adapter" | "all weights"
  readonly hasReference: boolean
  readonly hasHeldOut: boolean
  /** Tokens of a micro-batch when the step is cut. */
  readonly cutTokens: number
  /** The step after which the process dies. */
  readonly killedAfter: number
}

/** Draws run number `index`; methods and families are gone through in turn, everything else is drawn. */
export function drawRun(index: number, seed: number): CombinedRun {
  const random = seededRandom(seed + 977 * index)
  const among = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!
  const methods = [...methodNames, "sft"]
  const method = methods[index % methods.length]!
  const family = FAMILY_NAMES[(index + Math.floor(index / methods.length)) % FAMILY_NAMES.length]!
  const trains = among(["fresh adapter", "start adapter", "all weights"] as const)
  const isLora = trains !== "all weights"
  const hasReference = method !== "kto" && method !== "sft" && among([true, false])
  const hasHeldOut = among([true, true, false])
  const pairwise = !["kto", "sft"].includes(method)
  const config = {
    method,
    batch: BATCH,
    epochs: 2,
    learningRate: isLora ? 2e-3 : 3e-4,
    loraRank: trains === "all weights" ? 0 : trains === "start adapter" ? 3 : among([1, 4, 17, 130]),
    optimiser: among(["adamw", "adamw-8bit"]),
    weightDecay: among([0, 0.1]),
    maxGradNorm: among([0, 1]),
    checkpointEvery: among([1, 2, 4]),
    selfTestTolerance: hasReference ? 100 : 1e-3,
    ...(isLora ? { baseWeights: among(["stored", "nf4", "int8", "bf16"]), loraDropout: among([0, 0, 0.2]) } : {}),
    ...(trains === "fresh adapter" ? { useRankStabilisedLora: among([true, false]) } : {}),
    ...(pairwise ? { useWeighting: among([false, false, true]), sftWeight: among([0, 0.3]) } : {}),
    ...(method === "alpha-dpo"
      ? statistics(among(hasReference ? ["official", "adaptive", "lagged"] : ["adaptive", "lagged"]))
      : {}),
    ...(hasHeldOut
      ? among([{}, { evaluateEvery: 2 }, { evaluateEvery: 1, earlyStoppingPatience: 2, loadBestAtEnd: true }])
      : {}),
  }
  const words = [family, trains, hasReference ? "given reference" : "own reference", JSON.stringify(config)]
  const [cutTokens, killedAfter] = [among([1, 20, 45]), 1 + Math.floor(5 * random())]
  return { name: words.join(", "), family, config, trains, hasReference, hasHeldOut, cutTokens, killedAfter }
}

function statistics(mode: string) {
  return mode === "official" ? { statistics: mode, officialGroupPairs: 2 } : { statistics: mode }
}

export interface OpenedRun {
  readonly inputs: (out: string, config?: Record<string, unknown>, more?: Partial<RunInputs>) => RunInputs
  /** Mean log-probs of the held-out pairs' chosen responses under what a finished run left in its folder, nats. */
  readonly scoredAgain: (context: OpContext, out: string) => Promise<number>
}

/** Writes the model of a run and makes its rows. */
export async function openRun(
  workspace: Workspace,
  run: CombinedRun,
  decode: (config: Record<string, unknown>) => TrainConfig,
): Promise<OpenedRun> {
  const directory = writeTinyModel(workspace, run.family, 1, smallFields(run.family, TINY_FIELDS))
  const model = await readModelFolder(directory)
  const pairs = randomRows(model.config, TRAINED, 11).map((row, index) => ({ ...row, weight: 1 + (index % 3) / 3 }))
  const train =
    run.config.method === "sft" ? pairs.map(asResponse) : run.hasReference ? pairs.map(withReference) : pairs
  const heldOut = run.hasHeldOut ? randomRows(model.config, HELD_OUT, 500) : []
  const adapter = randomAdapter(model.config, 3, 5)
  return {
    inputs: (out, config = {}, more = {}) => ({
      model,
      baseModel: "tiny",
      config: decode({ ...run.config, ...config }),
      train,
      heldOut,
      dropped: {},
      dataDigest: "random rows",
      referenceDigest: run.hasReference ? "made up" : undefined,
      ...(run.trains === "start adapter" ? { startAdapter: { adapter, digest: "random" } } : {}),
      outDir: workspace.at(out),
      ...more,
    }),
    scoredAgain: (context, out) => meanChosen(context, model, run, workspace.at(out), heldOut),
  }
}

async function meanChosen(
  context: OpContext,
  base: ModelFolder,
  { config, trains }: CombinedRun,
  folder: string,
  rows: readonly TokenRow[],
): Promise<number> {
  const isWhole = trains === "all weights"
  const { baseWeights } = config as Partial<TrainConfig>
  const model = createDecoder(context, isWhole ? await readModelFolder(folder) : base, {
    positionCount: 64,
    ...(isWhole ? {} : { adapter: readAdapterFolder(folder, base).adapter, baseWeights }),
  })
  const scores = await scoreRows(context, model, rows, { tokenBudget: 4096 })
  model.release()
  return scores.reduce((sum, score) => sum + scoredPair(score).chosen.sum, 0) / rows.length
}

function asResponse(row: TokenRow): TokenRow {
  return { ...row, rejectedIds: new Uint32Array(0) }
}

/** Log-probs that no model gave, so that no gap is zero. */
function withReference(row: TokenRow, index: number): TokenRow {
  const random = seededRandom(900 + index)
  const scored = ({ length }: Uint32Array) => {
    const logProbs = Float32Array.from({ length }, () => -4 - 2 * random())
    return { logProbs, sum: logProbs.reduce((sum, value) => sum + value, 0), count: length }
  }
  return { ...row, reference: { chosen: scored(row.chosenIds), rejected: scored(row.rejectedIds) } }
}
