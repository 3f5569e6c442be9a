// The authors' recipes (training_configs/*.yaml of junkangwu/alpha-DPO). All are full fine-tunes with AdamW, cosine to 0,
// 10 % warm-up, one epoch and 128 pairs a step; LoRA wants about ten times the learning rate. Their statistics of the gap are not among
// them: `statistics` stays "adaptive".

export interface Preset {
  readonly method: "alpha-dpo"
  readonly beta: number
  readonly gammaBetaRatio: number
  readonly alpha: number
  readonly learningRate: number
  readonly schedule: "cosine"
  readonly warmupRatio: number
  readonly epochs: number
  /** Pairs per optimiser step. */
  readonly batch: number
  /** Tokens. */
  readonly maxLength: number
  /** 0: full fine-tune. */
  readonly loraRank: number
  /** The authors template the answer by itself, so that its header is scored with it. */
  readonly responseIncludesHeader: boolean
}

const shared = {
  method: "alpha-dpo",
  schedule: "cosine",
  warmupRatio: 0.1,
  epochs: 1,
  batch: 128,
  maxLength: 2048,
  loraRank: 0,
  responseIncludesHeader: true,
} as const

export const presets = {
  "mistral-7b-instruct": { ...shared, beta: 2.5, gammaBetaRatio: 0.15, alpha: 0.05, learningRate: 6e-7 },
  "llama-3-8b-instruct": { ...shared, beta: 2.5, gammaBetaRatio: 0.6, alpha: 0.2, learningRate: 1e-6 },
  "llama-3-8b-instruct-v2": { ...shared, beta: 10, gammaBetaRatio: 0.4, alpha: 0.2, learningRate: 1e-6 },
  "gemma-2-9b-it": { ...shared, beta: 10, gammaBetaRatio: 0.4, alpha: 0.05, learningRate: 8e-7 },
} as const satisfies Readonly<Record<string, Preset>>
