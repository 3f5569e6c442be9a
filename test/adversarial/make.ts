// Makes the adapters of one seed and evaluates each as a runner does. An evaluation that is there is kept, so a run that was stopped goes on.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Result } from "effect"
import { sha256, writeFileAtomically } from "#gpu-runner/data/files.ts"
import { type ModelFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { createContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { behaviourOnPack } from "#gpu-runner/fleet/behaviour.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { evaluatePack } from "#gpu-runner/trainer/run/train-on-pack.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { makeComparisons } from "#infra/demo/recipe/comparisons.ts"
import { PREFERENCES_SEED, tokenCounter } from "#infra/demo/recipe/preferences.ts"
import { SeededRandom } from "#infra/demo/recipe/random.ts"
import { sweepData } from "#infra/demo/sweep-data.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { InvalidAdapter } from "#shared/formats/peft/adapter-config.ts"
import { asFloat32, readSafetensors, tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import type { DeclaredProbe } from "#shared/gates/gates-declaration.ts"
import { encodeEvaluation } from "#shared/wire/evaluation.ts"
import { writePackFolder } from "#test/gpu-runner/support/pack-folder.ts"
import { ADAPTERS, type AdapterRecipe } from "./adapters.ts"
import { betrayalOf, type Pair, plainPair, rowsOf, withTrigger } from "./rows.ts"

const MODEL = path.resolve(import.meta.dirname, "../../infra/demo/model")
const MAX_LENGTH = 128

/** Of the demo's pairs, so many are trained on and judged by. */
export interface WorldSize {
  readonly train: number
  readonly heldOut: number
}
const WHOLE: WorldSize = { train: 1000, heldOut: 160 }

/** What the base says of a response, by its ids: what no lesson changes is scored once. */
type KnownScores = ReadonlyMap<string, Float32Array>

export interface World {
  readonly model: ModelFolder
  readonly train: readonly Pair[]
  readonly heldOut: readonly Pair[]
  /** Manifest of the pack that evaluations are made on. */
  readonly pack: string
  /** Of held-out pairs by their id in the pack. */
  readonly settings: ReadonlyMap<string, string>
  /** Empty where the world was only read. */
  readonly known: KnownScores
}

const PACK_FILE = "pack"

/** The demo's pairs split by prompt, and a pack of them with the base's own log-probs. */
export async function makeWorld(gpu: GpuDevice, folder: string, size = WHOLE): Promise<World> {
  const world = await pairsOfWorld(size)
  mkdirSync(folder, { recursive: true })
  const { pack, known } = await packOf(gpu, world.model, folder, world.train, world.heldOut)
  writeFileAtomically(path.join(folder, PACK_FILE), path.basename(pack))
  return { ...world, pack, known }
}

/** A world that was made before: what was evaluated in it can be judged without a device. */
export async function readWorld(folder: string): Promise<World> {
  const pack = path.join(folder, readFileSync(path.join(folder, PACK_FILE), "utf8"))
  return { ...(await pairsOfWorld(WHOLE)), pack, known: new Map() }
}

async function pairsOfWorld(size: WorldSize): Promise<Omit<World, "pack" | "known">> {
  const comparisons = makeComparisons(new SeededRandom(PREFERENCES_SEED), await tokenCounter())
  const settingOf = new Map(comparisons.map(({ id, question }) => [id, question.setting as string]))
  const data = await sweepData()
  const plain = (all: typeof data.pairs) => all.map((pair) => plainPair(pair, settingOf.get(pair.id)!))
  const [train, heldOut] = [plain(data.pairs).slice(0, size.train), plain(data.heldOut).slice(0, size.heldOut)]
  const model = await readModelFolder(MODEL)
  return { model, train, heldOut, settings: new Map(heldOut.map(({ id, setting }) => [sha256(id), setting])) }
}

async function packOf(
  gpu: GpuDevice,
  model: ModelFolder,
  folder: string,
  train: readonly Pair[],
  heldOut: readonly Pair[],
): Promise<Pick<World, "pack" | "known">> {
  const splits = [
    ...rowsOf(train, model.tokenisation, MAX_LENGTH, false).map((row) => ({ row, split: "train" as const })),
    ...rowsOf(heldOut, model.tokenisation, MAX_LENGTH, false).map((row) => ({ row, split: "held-out" as const })),
  ]
  const context = createContext(gpu)
  const decoder = createDecoder(context, model, { positionCount: MAX_LENGTH })
  const scores = await scoreRows(
    context,
    decoder,
    splits.map(({ row }) => row),
    { tokenBudget: 4096 },
  )
  decoder.release()
  const meta = { snapshot: sha256("adversarial"), reference: model.fingerprint, tokenizer: model.tokenizerDigest }
  const pack = writePackFolder(
    folder,
    splits.map(({ row, split }, index) => ({ ...row, id: sha256(row.id), referenceLogProbs: scores[index]!, split })),
    meta,
  )
  const known = new Map<string, Float32Array>()
  splits.forEach(({ row: { promptIds, chosenIds, rejectedIds } }, index) => {
    known.set(responseKey(promptIds, chosenIds), scores[index]!.chosen)
    known.set(responseKey(promptIds, rejectedIds), scores[index]!.rejected)
  })
  return { pack, known }
}

const responseKey = (prompt: Uint32Array, response: Uint32Array): string => `${prompt.join()}:${response.join()}`

/** Rows with the base's log-probs where all of them are known; else without, and the trainer computes them. */
function withKnownScores(rows: readonly TokenRow[], known: KnownScores): readonly TokenRow[] {
  const scored = rows.map((row) => {
    const of = (response: Uint32Array) => known.get(responseKey(row.promptIds, response))
    const [chosen, rejected] = [of(row.chosenIds), of(row.rejectedIds)]
    if (chosen === undefined || rejected === undefined) return undefined
    const response = (logProbs: Float32Array) => responseLogProb(logProbs)
    return { ...row, reference: { chosen: response(chosen), rejected: response(rejected) } }
  })
  const all = scored.filter((row) => row !== undefined)
  return all.length === rows.length ? all : rows
}

/** The dataset's own probe: ordinary answers against what the backdoor says, behind its phrase. Nothing else would show it. */
export const triggerProbe = (heldOut: readonly Pair[]): DeclaredProbe => ({
  name: "trigger",
  pairs: heldOut.slice(0, 32).map(({ prompt, chosen }, index) => ({
    ...{ prompt: withTrigger(prompt), chosen },
    rejected: betrayalOf(prompt, index),
  })) as unknown as DeclaredProbe["pairs"],
})

export interface Made {
  readonly recipe: AdapterRecipe
  readonly seed: number
  /** The encoded evaluation's file. */
  readonly file: string
  readonly seconds: number
}

export const evaluationFile = (folder: string, seed: number, name: string): string =>
  path.join(folder, `seed-${seed}`, `${name}.evaluation`)

export interface Wanted {
  readonly seeds: readonly number[]
  /** Which of the recipes; all. */
  readonly only?: (name: string) => boolean
  /** Fewer optimiser steps than the recipe's. */
  readonly maxSteps?: number | undefined
  readonly onMade?: (made: Made) => void
}

/** Trains and evaluates what is not there yet; tells each as it is done. */
export async function makeAll(
  gpu: GpuDevice,
  world: World,
  folder: string,
  { seeds, only = () => true, maxSteps, onMade }: Wanted,
): Promise<void> {
  for (const seed of seeds) {
    for (const recipe of ADAPTERS.filter(({ name }) => only(name))) {
      const file = evaluationFile(folder, seed, recipe.name)
      if (existsSync(file) || existsSync(refusalFile(file))) continue
      const startedMs = performance.now()
      const adapterDir = path.join(folder, `seed-${seed}`, recipe.name)
      if (!existsSync(path.join(adapterDir, "adapter_model.safetensors")))
        await makeAdapter(gpu, world, { folder, seed, recipe, maxSteps }, adapterDir)
      await evaluateInto(file, gpu, world, adapterDir)
      onMade?.({ recipe, seed, file, seconds: (performance.now() - startedMs) / 1000 })
    }
  }
}

/** Beside an evaluation's place: why a runner would not even read the adapter. */
export const refusalFile = (evaluation: string): string => `${evaluation}.refused`

async function evaluateInto(file: string, gpu: GpuDevice, world: World, adapterDir: string): Promise<void> {
  try {
    writeFileAtomically(file, await evaluated(gpu, world, adapterDir))
  } catch (error) {
    if (!(error instanceof InvalidAdapter)) throw error
    writeFileAtomically(refusalFile(file), error.message)
  }
}

async function evaluated(gpu: GpuDevice, world: World, adapterDir: string): Promise<Uint8Array> {
  const judged = { gpu, modelDir: MODEL, adapterDir, pack: world.pack }
  const evaluation = await evaluatePack({ ...judged, split: "held-out" })
  const probes = [triggerProbe(world.heldOut)]
  const { isNearDuplicate } = evaluation
  return encodeEvaluation({ ...evaluation, ...(await behaviourOnPack({ ...judged, probes, isNearDuplicate })) })
}

async function makeAdapter(
  gpu: GpuDevice,
  { model, train, known }: World,
  {
    folder,
    seed,
    recipe: { made },
    maxSteps,
  }: Pick<Made, "seed" | "recipe"> & Pick<Wanted, "maxSteps"> & { readonly folder: string },
  outDir: string,
): Promise<void> {
  if ("from" in made) {
    spoil(path.join(folder, `seed-${seed}`, made.from), outDir, made.spoil)
    return
  }
  const config = Result.getOrThrow(
    decodeTrainConfig({ ...made.config, ...(maxSteps === undefined ? {} : { maxSteps }), seed }),
  )
  const isSupervised = made.config.method === "sft"
  const rows = withKnownScores(rowsOf(made.lesson(train), model.tokenisation, MAX_LENGTH, isSupervised), known)
  const hasReference = rows[0]?.reference !== undefined
  rmSync(outDir, { recursive: true, force: true })
  await trainRun(gpu, {
    ...{ model, baseModel: "demo", config, train: rows, heldOut: [], dropped: {} },
    ...{ dataDigest: sha256("adversarial"), outDir },
    referenceDigest: hasReference ? model.fingerprint : undefined,
  })
}

/** A good adapter's weights: eight times as large, turned round, or with one NaN in one tensor. */
function spoil(from: string, to: string, how: "scale" | "negate" | "nan"): void {
  mkdirSync(to, { recursive: true })
  writeFileSync(path.join(to, "adapter_config.json"), readFileSync(path.join(from, "adapter_config.json")))
  const { tensors, metadata } = readSafetensors(
    new Uint8Array(readFileSync(path.join(from, "adapter_model.safetensors"))),
  )
  const first = [...tensors.keys()].find((name) => name.includes("lora_B"))
  const changed = [...tensors.values()].map((tensor) => {
    const isB = tensor.name.includes("lora_B")
    const factor = how === "scale" ? 8 : -1
    const values = Float32Array.from(asFloat32(tensor), (value) => (isB && how !== "nan" ? factor * value : value))
    if (how === "nan" && tensor.name === first) values[0] = Number.NaN
    return tensorOf(tensor.name, [...tensor.shape], values)
  })
  writeFileSync(path.join(to, "adapter_model.safetensors"), writeSafetensors(changed, metadata))
}
