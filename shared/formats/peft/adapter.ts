// LoRA adapters as PEFT stores them: adapter_config.json and adapter_model.safetensors, with the module paths of the base.
// Only plain LoRA is read and written; ranks and alphas that differ between modules are folded into one rank and alpha.
// Source: peft's save_pretrained; key names also in vLLM (vllm/lora/utils.py) and llama.cpp (convert_lora_to_gguf.py).
import type { DecoderConfig } from "../families/decoder-config.ts"
import { readSafetensors, type Safetensors, writeSafetensors } from "../weights/safetensors.ts"
import { asFloat32, type Tensor, tensorOf } from "../weights/tensor.ts"
import {
  type AdapterSettings,
  InvalidAdapter,
  type ParsedAdapterConfig,
  parseAdapterConfig,
  peftConfig,
  scalingOf,
} from "./adapter-config.ts"
import { adapterModuleShapes, type ModuleShape, patternValue } from "./target-modules.ts"

export { type AdapterSettings, InvalidAdapter } from "./adapter-config.ts"
export { adapterModuleShapes, moduleName, TARGET_MODULES, type TargetModule } from "./target-modules.ts"

/** One adapted linear module: a [rank, in], b [out, rank], f32 row-major. */
export interface AdapterModule {
  readonly a: Float32Array
  readonly b: Float32Array
}

/** `modules` is keyed by module path, e.g. "model.layers.0.self_attn.q_proj"; `scaling` multiplies B·A·x. */
export interface Adapter {
  readonly settings: AdapterSettings
  readonly scaling: number
  readonly modules: Map<string, AdapterModule>
}

/** The two files of an adapter, by their required names. */
export interface AdapterFiles {
  readonly "adapter_config.json": Uint8Array
  readonly "adapter_model.safetensors": Uint8Array
}

/** The adapter was trained on other weights than it is to be used with. */
export class AdapterOfOtherBase extends InvalidAdapter {
  override readonly _tag = "AdapterOfOtherBase"
}

/** Where adapter_model.safetensors keeps the digest of the base's weights; other readers pass over metadata. */
const BASE_WEIGHTS_KEY = "base_weights_sha256"

/** "base_model.model.<modulePath>.lora_A.weight" */
export function adapterTensorName(modulePath: string, matrix: "A" | "B"): string {
  return `base_model.model.${modulePath}.lora_${matrix}.weight`
}

/**
 * Reads and validates an adapter for a model: every targeted module must have both matrices, finite, of the right shape.
 * With `baseWeights`, the digest of the model's weights, an adapter that names other weights is refused; one that names
 * none (from other tools) is taken. Throws InvalidAdapter, AdapterOfOtherBase.
 */
export function readAdapter(files: AdapterFiles, config: DecoderConfig, baseWeights?: string): Adapter {
  const parsed = parseAdapterConfig(files["adapter_config.json"], config)
  const { tensors, metadata } = readTensors(files["adapter_model.safetensors"])
  checkBase(metadata[BASE_WEIGHTS_KEY], baseWeights, parsed.settings.baseModel)
  const modules = new Map<string, AdapterModule & { readonly rank: number }>()
  const expected = new Set<string>()
  for (const [path, shape] of adapterModuleShapes(config, parsed.settings.targetModules)) {
    const rank = patternValue(parsed.rankPattern, path) ?? parsed.settings.rank
    const read = (matrix: "A" | "B", rows: number, columns: number) => {
      const name = adapterTensorName(path, matrix)
      expected.add(name)
      return readMatrix(tensors.get(name), name, rows, columns)
    }
    modules.set(path, { rank, a: read("A", rank, shape.in), b: read("B", shape.out, rank) })
  }
  const unknown = [...tensors.keys()].find((name) => !expected.has(name))
  if (unknown !== undefined) {
    throw new InvalidAdapter(
      `adapter_model.safetensors: ${unknown} is no LoRA matrix of a targeted module; export the adapter without it`,
    )
  }
  return uniformAdapter(parsed, modules)
}

/**
 * One rank and one scaling for all modules, with the same product s·B·A: matrices are padded with zeros to the largest
 * rank (which stay zero in training, since their gradients are zero), and B takes what a module's own scaling differs by.
 */
function uniformAdapter(
  { settings, alphaPattern }: ParsedAdapterConfig,
  read: ReadonlyMap<string, AdapterModule & { readonly rank: number }>,
): Adapter {
  const { useRankStabilisedScaling } = settings
  const scaling = scalingOf(settings.alpha, settings.rank, useRankStabilisedScaling)
  const rank = [...read.values()].reduce((most, module) => Math.max(most, module.rank), 0)
  const modules = new Map<string, AdapterModule>()
  for (const [path, module] of read) {
    const alpha = patternValue(alphaPattern, path) ?? settings.alpha
    const factor = scalingOf(alpha, module.rank, useRankStabilisedScaling) / scaling
    modules.set(path, {
      a: module.rank === rank ? module.a : padRows(module, rank),
      b: padColumns(module, rank, factor),
    })
  }
  if (rank === settings.rank) return { settings, scaling, modules }
  const alpha = scaling * (useRankStabilisedScaling ? Math.sqrt(rank) : rank)
  return { settings: { ...settings, rank, alpha }, scaling, modules }
}

function padRows({ a, rank: from }: AdapterModule & { readonly rank: number }, rank: number): Float32Array {
  const padded = new Float32Array((a.length / from) * rank)
  padded.set(a)
  return padded
}

function padColumns({ b, rank: from }: AdapterModule & { readonly rank: number }, rank: number, factor: number) {
  if (from === rank && factor === 1) return b
  const padded = new Float32Array((b.length / from) * rank)
  for (let index = 0; index < b.length; index++) {
    padded[Math.floor(index / from) * rank + (index % from)] = factor * b[index]!
  }
  return padded
}

/**
 * Writes both files (f32, equal inputs give equal bytes). `baseWeights`, the digest of the base's weights, is kept so that
 * reading can hold the adapter to its base. Throws InvalidAdapter on the same grounds as readAdapter.
 */
export function writeAdapter(
  settings: AdapterSettings,
  modules: ReadonlyMap<string, AdapterModule>,
  config: DecoderConfig,
  baseWeights?: string,
): AdapterFiles {
  const json = `${JSON.stringify(peftConfig(settings, config), null, 2)}\n`
  const shapes = adapterModuleShapes(config, settings.targetModules)
  const tensors: Tensor[] = []
  for (const [path, module] of modules) {
    checkModule(path, module, shapes.get(path), settings.rank)
    const { out, in: inSize } = shapes.get(path)!
    tensors.push(tensorOf(adapterTensorName(path, "A"), [settings.rank, inSize], module.a))
    tensors.push(tensorOf(adapterTensorName(path, "B"), [out, settings.rank], module.b))
  }
  const metadata = baseWeights === undefined ? { format: "pt" } : { format: "pt", [BASE_WEIGHTS_KEY]: baseWeights }
  const files = {
    "adapter_config.json": new TextEncoder().encode(json),
    "adapter_model.safetensors": writeSafetensors(tensors, metadata),
  }
  readAdapter(files, config)
  return files
}

function checkModule(path: string, { a, b }: AdapterModule, shape: ModuleShape | undefined, rank: number): void {
  if (shape === undefined) {
    throw new InvalidAdapter(`module ${path} is not among the targets of this model; add its name to targetModules`)
  }
  if (a.length === rank * shape.in && b.length === rank * shape.out) return
  throw new InvalidAdapter(
    `module ${path} has matrices of ${a.length} and ${b.length} values, expected [${rank}, ${shape.in}] and [${shape.out}, ${rank}]`,
  )
}

function checkBase(named: string | undefined, given: string | undefined, baseModel: string): void {
  if (named === undefined || given === undefined || named === given) return
  throw new AdapterOfOtherBase(
    `adapter_model.safetensors was trained on weights ${named.slice(0, 16)}… (${baseModel || "unnamed"}), the model's are ${given.slice(0, 16)}…; ` +
      "give the model that the adapter was trained on",
  )
}

function readTensors(bytes: Uint8Array): Safetensors {
  try {
    return readSafetensors(bytes)
  } catch (error) {
    throw new InvalidAdapter(`adapter_model.safetensors is no valid safetensors file: ${(error as Error).message}`)
  }
}

function readMatrix(tensor: Tensor | undefined, name: string, rows: number, columns: number): Float32Array {
  const where = `adapter_model.safetensors: ${name}`
  if (tensor === undefined) throw new InvalidAdapter(`${where} is missing; export the adapter again`)
  if (tensor.shape.length !== 2 || tensor.shape[0] !== rows || tensor.shape[1] !== columns) {
    throw new InvalidAdapter(
      `${where} has shape [${tensor.shape}], expected [${rows}, ${columns}]; rank and base model must be the adapter's own`,
    )
  }
  if (!["F32", "F16", "BF16"].includes(tensor.dtype)) {
    throw new InvalidAdapter(`${where} is ${tensor.dtype}; store it as F32, F16 or BF16`)
  }
  const values = asFloat32(tensor)
  const bad = values.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw new InvalidAdapter(`${where} holds ${values[bad]} at ${bad}; train the adapter again`)
  return values
}
