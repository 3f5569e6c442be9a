// What keys of TRL, transformers, PEFT and bitsandbytes are called here, for whoever brings a configuration from there: an unknown key
// that is known elsewhere is answered with its name here, or with the reason why there is none. What concerns a method or an option of one
// is in its definition (shared/methods). docs/training.md has the same as a table.
import { allOptions, definitions, preferenceDefinitions } from "#shared/methods/methods.ts"

const options = allOptions.flatMap(({ key, elsewhere }) => (elsewhere === undefined ? [] : { key, ...elsewhere }))
const methods = definitions.flatMap(({ elsewhere }) => elsewhere ?? [])
const referenceFree = preferenceDefinitions.flatMap(({ name, reference }) => (reference === "none" ? name : []))

/** Keys that differ by their name alone. */
export const RENAMED_KEYS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(options.flatMap(({ key, renamed = [] }) => renamed.map((name) => [name, key]))),
  learning_rate: "learningRate",
  lr: "learningRate",
  num_train_epochs: "epochs",
  max_steps: "maxSteps",
  weight_decay: "weightDecay",
  adam_beta1: "adamBeta1",
  adam_beta2: "adamBeta2",
  adam_epsilon: "adamEpsilon",
  max_grad_norm: "maxGradNorm",
  lr_scheduler_type: "schedule",
  warmup_ratio: "warmupRatio",
  warmup_steps: "warmupSteps",
  optim: "optimiser",
  data_seed: "seed",
  eval_steps: "evaluateEvery",
  load_best_model_at_end: "loadBestAtEnd",
  metric_for_best_model: "earlyStoppingMetric",
  early_stopping_patience: "earlyStoppingPatience",
  save_steps: "checkpointEvery",
  save_total_limit: "keepCheckpoints",
  max_length: "maxLength",
  chat_template_kwargs: "chatTemplateOptions",
  r: "loraRank",
  lora_r: "loraRank",
  lora_alpha: "loraAlpha",
  lora_dropout: "loraDropout",
  use_rslora: "useRankStabilisedLora",
  target_modules: "loraTargets",
  lora_target_modules: "loraTargets",
}

const OTHER_PRECISIONS =
  'precision "mixed" or "f32" says how products are computed, and baseWeights how a frozen base is held'
const NOTHING_PADDED = "rows lie back to back and nothing is padded, always; leave it out"
const PLAIN_LORA = "adapters are plain LoRA of one rank; leave it out"
const NO_PROMPT_CUT =
  "prompts are never cut: maxLength bounds a whole row, and overflow says what happens to longer ones"
const BATCH =
  "batch is the pairs of one optimiser step: per_device_train_batch_size × gradient_accumulation_steps × devices"
const EVALUATION = "evaluateEvery counts steps, 0 is each epoch; the evaluation before the first step is always made"
const CHECKPOINTS = "checkpointEvery counts steps, keepCheckpoints the newest kept"
const EVERY_STEP = "every step is logged to metrics.jsonl and TensorBoard files; leave it out"
const ONE_DEVICE = "one device trains, in one process; leave it out"
const ON_THE_HUB = "nothing is uploaded: --out is a folder as the hub takes it; leave it out"
const REFERENCE = "the reference is the model before the first step; --adapter names one to start from"

/** Keys without a counterpart of their own, and what does it here. */
export const ADVICE_ON_KEYS: Readonly<Record<string, string>> = {
  ...Object.assign({}, ...options.map(({ advice }) => advice), ...methods.map(({ keys }) => keys)),
  per_device_train_batch_size: BATCH,
  gradient_accumulation_steps: BATCH,
  batch_size: BATCH,
  per_device_eval_batch_size: "tokensPerMicroBatch bounds what is computed at once; leave it out",
  auto_find_batch_size: "tokensPerMicroBatch follows from the device's memory; leave it out",
  loss_type: 'method chooses the loss: "dpo" for sigmoid (dpoLoss for hinge and robust), "ipo", "simpo", "alphapo" …',
  reference_free: `${inWords(referenceFree)} need no reference; choose one as method`,
  lr_scheduler_kwargs:
    "scheduleCycles, schedulePower, minLearningRate, minLearningRateRatio, decaySteps, warmupShape and decayShape are keys of their own",
  eval_strategy: EVALUATION,
  evaluation_strategy: EVALUATION,
  eval_on_start: EVALUATION,
  save_strategy: CHECKPOINTS,
  greater_is_better: "earlyStoppingMetric implies it; leave it out",
  early_stopping_threshold: "any new best counts; leave it out",
  resume_from_checkpoint: "--resume goes on from the newest checkpoint in --out",
  logging_steps: EVERY_STEP,
  logging_strategy: EVERY_STEP,
  report_to: EVERY_STEP,
  output_dir: "--out names the folder",
  overwrite_output_dir: "a finished --out is replaced; leave it out",
  run_name: "--out names the run; leave it out",
  model_name_or_path: "--model names the folder or the pulled model",
  dataset_name: "--data names a file or a folder on disk",
  eval_dataset: "--held-out names the file, or heldOutShare takes a share of --data",
  ref_model: REFERENCE,
  model_adapter_name: REFERENCE,
  ref_adapter_name: REFERENCE,
  force_use_ref_model: REFERENCE,
  sync_ref_model: "the reference stays as it is; leave it out",
  precompute_ref_log_probs: "always done; --reference takes the file of `yohaku score`",
  bf16: OTHER_PRECISIONS,
  fp16: OTHER_PRECISIONS,
  tf32: OTHER_PRECISIONS,
  dtype: OTHER_PRECISIONS,
  torch_dtype: OTHER_PRECISIONS,
  gradient_checkpointing: 'checkpointing: "auto" does so where memory asks for it, "always" and "never" in any case',
  load_in_4bit: 'baseWeights: "nf4" holds the frozen base in 4 bits',
  load_in_8bit: 'baseWeights: "int8" holds the frozen base in 8 bits',
  bnb_4bit_quant_type: 'baseWeights: "nf4" is the one 4-bit type',
  bnb_4bit_compute_dtype: OTHER_PRECISIONS,
  bnb_4bit_use_double_quant: "the scales of nf4 stay as they are; leave it out",
  max_prompt_length: NO_PROMPT_CUT,
  max_completion_length: NO_PROMPT_CUT,
  truncation_mode: NO_PROMPT_CUT,
  padding_free: NOTHING_PADDED,
  packing: NOTHING_PADDED,
  pad_token: NOTHING_PADDED,
  group_by_length: NOTHING_PADDED,
  completion_only_loss: "responses alone are scored, always; leave it out",
  assistant_only_loss: "responses alone are scored, always; leave it out",
  disable_dropout: "the base has no dropout, and loraDropout is 0 unless set; leave it out",
  use_liger_kernel: "the loss never holds logits of a whole batch, always; leave it out",
  torch_compile: "the kernels are compiled for the device, always; leave it out",
  deepspeed: ONE_DEVICE,
  fsdp: ONE_DEVICE,
  ddp_find_unused_parameters: ONE_DEVICE,
  dataloader_num_workers: "the data are read once before the first step; leave it out",
  dataset_num_proc: "the data are read once before the first step; leave it out",
  remove_unused_columns: "columns that nobody reads are left alone and listed, or refused with --strict; leave it out",
  push_to_hub: ON_THE_HUB,
  hub_model_id: ON_THE_HUB,
  use_dora: PLAIN_LORA,
  modules_to_save: PLAIN_LORA,
  bias: PLAIN_LORA,
  rank_pattern: PLAIN_LORA,
  alpha_pattern: PLAIN_LORA,
  layers_to_transform: PLAIN_LORA,
  init_lora_weights: "A is drawn as PEFT draws it by default and B is 0; leave it out",
  task_type: "models are causal language models; leave it out",
}

/** Values known elsewhere, by the key of here. */
const ADVICE_ON_VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  method: Object.assign({}, ...methods.map(({ losses }) => losses)),
  optimiser: {
    adamw_torch: '"adamw" is that one',
    adamw_torch_fused: '"adamw" is that one',
    adamw_hf: '"adamw" is that one',
    adamw_bnb_8bit: '"adamw-8bit" is that one',
    adamw_8bit: '"adamw-8bit" is that one',
    paged_adamw_8bit: '"adamw-8bit" is the nearest',
    paged_adamw_32bit: '"adamw" is the nearest',
  },
  earlyStoppingMetric: {
    loss: '"eval_loss" is that one',
    "eval_rewards/accuracies": '"eval_accuracy" is the nearest',
    "rewards/accuracies": '"eval_accuracy" is the nearest',
  },
  loraTargets: { "all-linear": "leave it out: all seven linear modules are the default" },
}

/** "a, b and c". */
function inWords(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`
}

/** What an unknown key is called here, or what does it; undefined where it is known nowhere. */
export function adviceOnKey(name: string, knownKeys: readonly string[]): string | undefined {
  if (Object.hasOwn(RENAMED_KEYS, name)) return `it is called ${RENAMED_KEYS[name]} here`
  if (Object.hasOwn(ADVICE_ON_KEYS, name)) return ADVICE_ON_KEYS[name]
  const same = knownKeys.find((known) => withoutSeparators(known) === withoutSeparators(name))
  return same === undefined ? undefined : `it is called ${same} here`
}

/** What a value that is refused is called here; undefined where it is known nowhere. */
export function adviceOnValue(key: string, value: unknown, allowed: readonly unknown[]): string | undefined {
  if (typeof value !== "string") return undefined
  const advice = Object.hasOwn(ADVICE_ON_VALUES, key) ? ADVICE_ON_VALUES[key] : undefined
  if (advice !== undefined && Object.hasOwn(advice, value)) return advice[value]
  const same = allowed.find((known) => withoutSeparators(String(known)) === withoutSeparators(value))
  return same === undefined ? undefined : `${JSON.stringify(same)} is how it is written here`
}

function withoutSeparators(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, "")
}
