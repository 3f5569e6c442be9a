// LoRA adapters as PEFT stores them: adapter_config.json and adapter_model.safetensors, for the Llama layout.
// Only plain LoRA is read and written: whatever else a config asks for is refused by name, since ignoring it
// would load a different model. Source: peft's LoraConfig and save_pretrained; key names also in vLLM and llama.cpp.
import { type DecoderConfig, decoderLinearShapes, layerPath } from "./decoder-config.ts"
import { readSafetensors, writeSafetensors } from "./safetensors.ts"
import { findDuplicateKey } from "./strict-json.ts"
import { asFloat32, type Tensor, tensorOf } from "./tensor.ts"

/** The linear modules that an adapter may target. */
export const TARGET_MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] as const
export type TargetModule = (typeof TARGET_MODULES)[number]

/** What of adapter_config.json matters. */
export interface AdapterSettings {
  /** name or path of the base model, for people and for vLLM */
  readonly baseModel: string
  readonly rank: number
  readonly alpha: number
  readonly targetModules: readonly TargetModule[]
  /** alpha / √rank instead of alpha / rank; default false */
  readonly useRankStabilisedScaling?: boolean
}

/** One adapted linear module: a [rank, in], b [out, rank], f32 row-major. */
export interface AdapterModule {
  readonly a: Float32Array
  readonly b: Float32Array
}

/** `modules` is keyed by module path, e.g. "model.layers.0.self_attn.q_proj"; `scaling` multiplies B·A·x. */
export interface Adapter {
  readonly settings: Required<AdapterSettings>
  readonly scaling: number
  readonly modules: Map<string, AdapterModule>
}

/** The two files of an adapter, by their required names. */
export interface AdapterFiles {
  readonly "adapter_config.json": Uint8Array
  readonly "adapter_model.safetensors": Uint8Array
}

/** The adapter cannot be used; the message names the option or tensor and the mend. */
export class InvalidAdapter extends Error {
  readonly _tag = "InvalidAdapter"
}

/** The adapter_config.json object that PEFT, vLLM, llama.cpp and Workers AI accept. Throws InvalidAdapter. */
export function peftConfig(settings: AdapterSettings): Record<string, unknown> {
  checkSettings(settings)
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: settings.baseModel,
    revision: null,
    inference_mode: true,
    r: settings.rank,
    lora_alpha: settings.alpha,
    lora_dropout: 0,
    target_modules: TARGET_MODULES.filter((name) => settings.targetModules.includes(name)),
    bias: "none",
    fan_in_fan_out: false,
    modules_to_save: null,
    use_rslora: settings.useRankStabilisedScaling ?? false,
    use_dora: false,
    init_lora_weights: true,
    model_type: "llama",
  }
}

/** "base_model.model.<modulePath>.lora_A.weight" */
export function adapterTensorName(modulePath: string, matrix: "A" | "B"): string {
  return `base_model.model.${modulePath}.lora_${matrix}.weight`
}

/** Module paths with [out, in] sizes that the targets select in a model, in layer order. */
export function adapterModuleShapes(
  config: DecoderConfig,
  targetModules: readonly TargetModule[],
): Map<string, { readonly out: number; readonly in: number }> {
  const shapes = new Map<string, { readonly out: number; readonly in: number }>()
  for (let layer = 0; layer < config.layerCount; layer++) {
    for (const [path, [outSize, inSize]] of decoderLinearShapes(config)) {
      if (targetModules.some((name) => path.endsWith(`.${name}`))) {
        shapes.set(`${layerPath(layer)}.${path}`, { out: outSize, in: inSize })
      }
    }
  }
  return shapes
}

/** Reads and validates an adapter for a model: every targeted module must have both matrices, finite, of the right shape. Throws InvalidAdapter. */
export function readAdapter(files: AdapterFiles, config: DecoderConfig): Adapter {
  const settings = parseAdapterConfig(files["adapter_config.json"])
  const tensors = readTensors(files["adapter_model.safetensors"])
  const modules = new Map<string, AdapterModule>()
  const expected = new Set<string>()
  for (const [path, shape] of adapterModuleShapes(config, settings.targetModules)) {
    const read = (matrix: "A" | "B", rows: number, columns: number) => {
      const name = adapterTensorName(path, matrix)
      expected.add(name)
      return readMatrix(tensors.get(name), name, rows, columns)
    }
    modules.set(path, { a: read("A", settings.rank, shape.in), b: read("B", shape.out, settings.rank) })
  }
  const unknown = [...tensors.keys()].find((name) => !expected.has(name))
  if (unknown !== undefined) {
    throw new InvalidAdapter(
      `adapter_model.safetensors: ${unknown} is no LoRA matrix of a targeted module; export the adapter without it`,
    )
  }
  const divisor = settings.useRankStabilisedScaling ? Math.sqrt(settings.rank) : settings.rank
  return { settings, scaling: settings.alpha / divisor, modules }
}

/** Writes both files (f32, equal inputs give equal bytes). Throws InvalidAdapter on the same grounds as readAdapter. */
export function writeAdapter(
  settings: AdapterSettings,
  modules: ReadonlyMap<string, AdapterModule>,
  config: DecoderConfig,
): AdapterFiles {
  const json = `${JSON.stringify(peftConfig(settings), null, 2)}\n`
  const shapes = adapterModuleShapes(config, settings.targetModules)
  const tensors: Tensor[] = []
  for (const [path, { a, b }] of modules) {
    const shape = shapes.get(path)
    if (shape === undefined) {
      throw new InvalidAdapter(`module ${path} is not among the targets of this model; add its name to targetModules`)
    }
    if (a.length !== settings.rank * shape.in || b.length !== settings.rank * shape.out) {
      throw new InvalidAdapter(
        `module ${path} has matrices of ${a.length} and ${b.length} values, expected [${settings.rank}, ${shape.in}] and [${shape.out}, ${settings.rank}]`,
      )
    }
    tensors.push(tensorOf(adapterTensorName(path, "A"), [settings.rank, shape.in], a))
    tensors.push(tensorOf(adapterTensorName(path, "B"), [shape.out, settings.rank], b))
  }
  const files = {
    "adapter_config.json": new TextEncoder().encode(json),
    "adapter_model.safetensors": writeSafetensors(tensors, { format: "pt" }),
  }
  readAdapter(files, config)
  return files
}

function parseAdapterConfig(bytes: Uint8Array): Required<AdapterSettings> {
  const fields = parseJson(bytes)
  if (fields.peft_type !== "LORA") fail("peft_type", fields.peft_type, '"LORA"')
  refuseUnsupported(fields)
  const targets = fields.target_modules
  if (!Array.isArray(targets)) fail("target_modules", targets, `a list of ${TARGET_MODULES.join(", ")}`)
  const settings = {
    baseModel: typeof fields.base_model_name_or_path === "string" ? fields.base_model_name_or_path : "",
    rank: fields.r as number,
    alpha: (fields.lora_alpha ?? 8) as number,
    targetModules: targets as TargetModule[],
    useRankStabilisedScaling: fields.use_rslora === true,
  }
  checkSettings(settings)
  return settings
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown
  let text = ""
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)
    value = JSON.parse(text)
  } catch {
    throw new InvalidAdapter("adapter_config.json is not JSON in UTF-8; export the adapter again")
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidAdapter("adapter_config.json is not a JSON object; export the adapter again")
  }
  const duplicate = findDuplicateKey(text)
  if (duplicate !== undefined) throw new InvalidAdapter(`adapter_config.json holds "${duplicate}" twice; remove one`)
  return value as Record<string, unknown>
}

/** Options that change what an adapter computes; each is accepted only absent, null, empty or at its neutral value. */
const NEUTRAL_OPTIONS: Record<string, unknown> = {
  bias: "none",
  use_dora: false,
  fan_in_fan_out: false,
  lora_bias: false,
  use_qalora: false,
  task_type: "CAUSAL_LM",
  model_type: "llama",
  layer_replication: null,
  layers_to_transform: null,
  layers_pattern: null,
  modules_to_save: null,
  exclude_modules: null,
  target_parameters: null,
  trainable_token_indices: null,
  rank_pattern: null,
  alpha_pattern: null,
  megatron_config: null,
  eva_config: null,
  corda_config: null,
  arrow_config: null,
  alora_invocation_tokens: null,
}

function refuseUnsupported(fields: Record<string, unknown>): void {
  for (const [name, neutral] of Object.entries(NEUTRAL_OPTIONS)) {
    const value = fields[name] ?? null
    const isEmpty = value === null || (typeof value === "object" && Object.keys(value).length === 0)
    if (!isEmpty && value !== neutral) fail(name, value, JSON.stringify(neutral))
  }
}

function checkSettings(settings: AdapterSettings): void {
  const { rank, alpha, targetModules } = settings
  if (!Number.isSafeInteger(rank) || rank < 1) fail("r", rank, "a positive integer")
  if (typeof alpha !== "number" || !Number.isFinite(alpha) || alpha <= 0) fail("lora_alpha", alpha, "a positive number")
  const known: readonly unknown[] = TARGET_MODULES
  const unknown = targetModules.find((name) => !known.includes(name))
  if (unknown !== undefined) fail("target_modules", unknown, `among ${TARGET_MODULES.join(", ")}`)
  if (targetModules.length === 0) fail("target_modules", targetModules, "a non-empty list")
}

function fail(option: string, found: unknown, supported: string): never {
  throw new InvalidAdapter(
    `adapter_config.json: ${option} is ${JSON.stringify(found) ?? "missing"}, but must be ${supported}; export the adapter with that`,
  )
}

function readTensors(bytes: Uint8Array): Map<string, Tensor> {
  try {
    return readSafetensors(bytes).tensors
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
