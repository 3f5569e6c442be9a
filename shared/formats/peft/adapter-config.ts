// adapter_config.json: written as PEFT's LoraConfig writes it, read strictly. Whatever changes what an adapter computes
// and is not computed here is refused by name, since ignoring it would load a different model.
// Source: peft, src/peft/tuners/lora/config.py (fields and meanings up to 0.18).
import type { DecoderConfig } from "../families/decoder-config.ts"
import { readJsonObject } from "../json-object.ts"
import {
  adapterModuleShapes,
  isPlainPatternKey,
  modulesMatching,
  shortestTargets,
  TARGET_MODULES,
} from "./target-modules.ts"

/** What of adapter_config.json matters. */
export interface AdapterSettings {
  /** name or path of the base model, for people and for vLLM */
  readonly baseModel: string
  readonly rank: number
  readonly alpha: number
  /** Names of modules ("q_proj"), or ends of their paths ("layers.0.self_attn.q_proj"). */
  readonly targetModules: readonly string[]
  /** alpha / √rank instead of alpha / rank; default false */
  readonly useRankStabilisedScaling?: boolean | undefined
  /** Share of the input of A that training zeroes; nothing outside training. Default 0. */
  readonly dropout?: number | undefined
}

/** Settings, and what PEFT lets differ from module to module. */
export interface ParsedAdapterConfig {
  readonly settings: AdapterSettings
  /** Ranks and alphas by module name or end of path. */
  readonly rankPattern: Readonly<Record<string, number>>
  readonly alphaPattern: Readonly<Record<string, number>>
}

/** The adapter cannot be used; the message names the option or tensor and the mend. */
export class InvalidAdapter extends Error {
  readonly _tag: string = "InvalidAdapter"
}

/** transformers' model_type of a decoder, which Workers AI asks adapters for. */
function modelTypeOf({ family }: DecoderConfig): string {
  return family === "gemma3" ? "gemma3_text" : family
}

/** What multiplies B·A·x. */
export function scalingOf(alpha: number, rank: number, useRankStabilisedScaling: boolean | undefined): number {
  return alpha / (useRankStabilisedScaling ? Math.sqrt(rank) : rank)
}

/** The adapter_config.json object that PEFT, vLLM, llama.cpp and Workers AI accept. Throws InvalidAdapter. */
export function peftConfig(settings: AdapterSettings, config: DecoderConfig): Record<string, unknown> {
  checkSettings(settings, config)
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: settings.baseModel,
    revision: null,
    auto_mapping: null,
    inference_mode: true,
    r: settings.rank,
    lora_alpha: settings.alpha,
    lora_dropout: settings.dropout ?? 0,
    target_modules: shortestTargets(config, adapterModuleShapes(config, settings.targetModules).keys()),
    bias: "none",
    fan_in_fan_out: false,
    modules_to_save: null,
    layers_to_transform: null,
    layers_pattern: null,
    rank_pattern: {},
    alpha_pattern: {},
    use_rslora: settings.useRankStabilisedScaling ?? false,
    use_dora: false,
    init_lora_weights: true,
    model_type: modelTypeOf(config),
  }
}

/** Reads adapter_config.json for a model. Throws InvalidAdapter. */
export function parseAdapterConfig(bytes: Uint8Array, config: DecoderConfig): ParsedAdapterConfig {
  const fields = readJsonObject(bytes, JSON_FAULTS, (message) => new InvalidAdapter(message))
  if (fields.peft_type !== "LORA") fail("peft_type", fields.peft_type, '"LORA"')
  refuseUnsupported(fields, config)
  const settings = {
    baseModel: typeof fields.base_model_name_or_path === "string" ? fields.base_model_name_or_path : "",
    rank: fields.r as number,
    alpha: (fields.lora_alpha ?? 8) as number,
    targetModules: targetsOf(fields.target_modules, config),
    useRankStabilisedScaling: fields.use_rslora === true,
    dropout: (fields.lora_dropout ?? 0) as number,
  }
  checkSettings(settings, config)
  const rankPattern = patternOf(fields, "rank_pattern", (value) => Number.isSafeInteger(value) && value > 0)
  const alphaPattern = patternOf(fields, "alpha_pattern", (value) => Number.isFinite(value) && value > 0)
  return { settings, rankPattern, alphaPattern }
}

const NOT_JSON = "adapter_config.json is not JSON in UTF-8; export the adapter again"
const JSON_FAULTS = {
  notUtf8: NOT_JSON,
  notJson: NOT_JSON,
  notObject: "adapter_config.json is not a JSON object; export the adapter again",
  repeatedKey: (key: string) => `adapter_config.json holds "${key}" twice; remove one`,
}

/** Fields that are read here, and fields that say nothing about what an adapter computes once it is trained. */
const KNOWN_FIELDS = new Set([
  "peft_type",
  "base_model_name_or_path",
  "r",
  "lora_alpha",
  "lora_dropout",
  "target_modules",
  "use_rslora",
  "rank_pattern",
  "alpha_pattern",
  "auto_mapping",
  "inference_mode",
  "revision",
  "peft_version",
  "megatron_core",
  "loftq_config",
  "qalora_group_size",
  "runtime_config",
  "eva_config",
])

/** Accepted only absent, null, empty, false or at one of these values. A field that is not listed at all has none. */
const NEUTRAL_VALUES: ReadonlyMap<string, readonly unknown[]> = new Map<string, readonly unknown[]>([
  ["bias", ["none"]],
  ["task_type", ["CAUSAL_LM"]],
  // PiSSA, OLoRA, CorDA and LoftQ adapters belong to a base whose weights were changed before training.
  ["init_lora_weights", [true, "gaussian", "eva", "orthogonal"]],
])

function refuseUnsupported(fields: Record<string, unknown>, config: DecoderConfig): void {
  for (const [name, value] of Object.entries(fields)) {
    if (KNOWN_FIELDS.has(name)) continue
    const allowed = name === "model_type" ? modelTypes(config) : (NEUTRAL_VALUES.get(name) ?? [])
    const isEmpty = value === null || value === false || (typeof value === "object" && Object.keys(value).length === 0)
    if (!isEmpty && !allowed.includes(value)) fail(name, value, allowed.map((one) => JSON.stringify(one)).join(", "))
  }
}

/** Text-only configs of a family are called "<family>_text". */
function modelTypes(config: DecoderConfig): string[] {
  const own = modelTypeOf(config)
  return [own, own.replace(/_text$/, "")]
}

function targetsOf(targets: unknown, config: DecoderConfig): readonly string[] {
  if (targets === "all-linear") return TARGET_MODULES
  if (typeof targets === "string") {
    const matched = modulesMatching(config, targets)
    if (matched && matched.length > 0) return shortestTargets(config, matched)
    fail("target_modules", targets, `a pattern that matches linear modules of this model, or a list of their names`)
  }
  if (!Array.isArray(targets) || !targets.every((target) => typeof target === "string")) {
    fail("target_modules", targets, `a list of ${TARGET_MODULES.join(", ")}`)
  }
  return targets
}

function patternOf(
  fields: Record<string, unknown>,
  name: string,
  isGood: (value: number) => boolean,
): Record<string, number> {
  const pattern = fields[name] ?? {}
  if (typeof pattern !== "object" || Array.isArray(pattern)) fail(name, pattern, "an object of module names to numbers")
  for (const [key, value] of Object.entries(pattern)) {
    if (!isPlainPatternKey(key)) fail(name, { [key]: value }, "keyed by module names or ends of paths, no expressions")
    if (typeof value !== "number" || !isGood(value)) fail(name, { [key]: value }, "positive numbers, whole for ranks")
  }
  return pattern as Record<string, number>
}

function checkSettings(settings: AdapterSettings, config: DecoderConfig): void {
  const { rank, alpha, targetModules, dropout = 0 } = settings
  if (!Number.isSafeInteger(rank) || rank < 1) fail("r", rank, "a positive integer")
  if (typeof alpha !== "number" || !Number.isFinite(alpha) || alpha <= 0) fail("lora_alpha", alpha, "a positive number")
  if (typeof dropout !== "number" || !(dropout >= 0 && dropout < 1)) fail("lora_dropout", dropout, "0 to below 1")
  const unknown = targetModules.find((target) => adapterModuleShapes(config, [target]).size === 0)
  if (unknown !== undefined) {
    fail("target_modules", unknown, `among ${TARGET_MODULES.join(", ")}, or the end of such a module's path`)
  }
  if (targetModules.length === 0) fail("target_modules", targetModules, "a non-empty list")
}

function fail(option: string, found: unknown, supported: string): never {
  const wanted = supported === "" ? "absent, since it is not computed here" : supported
  throw new InvalidAdapter(
    `adapter_config.json: ${option} is ${JSON.stringify(found) ?? "missing"}, but must be ${wanted}; export the adapter with that`,
  )
}
