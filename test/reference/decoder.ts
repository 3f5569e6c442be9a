// A decoder's forward pass in f64, written for reading: the oracle for the ONNX graph and for the device.
// One token at a time with plain loops; nothing is shared with the code under test but the config's field names.
// Source: transformers' modeling_llama.py, modeling_mistral.py, modeling_qwen2.py, modeling_qwen3.py, modeling_gemma2.py, modeling_gemma3.py.
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { ropeFrequency } from "./rope.ts"

/** Weights by Hugging Face tensor name, row-major; linear weights are [out, in]. */
export type DecoderWeights = ReadonlyMap<string, ArrayLike<number>>

/** Log-prob in nats of each token from `responseStart` on, given everything before it: [T - responseStart]. */
export function decoderTokenLogProbs(
  config: DecoderConfig,
  weights: DecoderWeights,
  tokenIds: ArrayLike<number>,
  responseStart: number,
): Float64Array {
  const next = decoderNextLogProbs(config, weights, tokenIds, responseStart - 1)
  return Float64Array.from(
    { length: tokenIds.length - responseStart },
    (_, index) => next[index]![tokenIds[responseStart + index]!]!,
  )
}

/** Log-probs of every token of the vocabulary after each position from `first` on. */
export function decoderNextLogProbs(
  config: DecoderConfig,
  weights: DecoderWeights,
  tokenIds: ArrayLike<number>,
  first = 0,
): Float64Array[] {
  const hidden = decoderHiddenStates(config, weights, tokenIds).slice(first)
  const head = weight(weights, config.tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight")
  return hidden.map((row) => {
    const logits = multiply(head, row, config.vocabularySize).map((x) => capped(x, config.finalSoftCap))
    const normaliser = logSumExp(logits)
    return logits.map((x) => x - normaliser)
  })
}

/** What a reward model gives: the last token's final hidden state, weighed by `score` [hiddenSize]. */
export function decoderReward(
  config: DecoderConfig,
  weights: DecoderWeights,
  score: ArrayLike<number>,
  tokenIds: ArrayLike<number>,
): number {
  const last = decoderHiddenStates(config, weights, tokenIds).at(-1)!
  return last.reduce((sum, value, channel) => sum + value * score[channel]!, 0)
}

/** Final hidden state of every position, after the last norm: T rows of [hiddenSize]. */
function decoderHiddenStates(
  config: DecoderConfig,
  weights: DecoderWeights,
  tokenIds: ArrayLike<number>,
): Float64Array[] {
  const embeddings = weight(weights, "model.embed_tokens.weight")
  const width = config.hiddenSize
  const rows = Array.from({ length: tokenIds.length }, (_, position) =>
    Float64Array.from(
      { length: width },
      (_, channel) => config.embeddingScale * embeddings[tokenIds[position]! * width + channel]!,
    ),
  )
  for (let layer = 0; layer < config.layerCount; layer++) {
    const parameters = (name: string) => weight(weights, `model.layers.${layer}.${name}`)
    addAttention(config, layer, parameters, rows)
    for (const row of rows) addFeedForward(config, parameters, row)
  }
  return rows.map((row) => rmsNorm(row, weight(weights, "model.norm.weight"), config))
}

type Parameters = (name: string) => ArrayLike<number>

function addAttention(config: DecoderConfig, layer: number, parameters: Parameters, rows: Float64Array[]): void {
  const { headCount, keyValueHeadCount, headSize } = config
  const { window = Number.POSITIVE_INFINITY } = config.layers[layer]!
  const queries: Float64Array[] = []
  const keys: Float64Array[] = []
  const values: Float64Array[] = []
  rows.forEach((row, position) => {
    const normed = rmsNorm(row, parameters("input_layernorm.weight"), config)
    const project = (letter: "q" | "k" | "v", heads: number) => {
      const product = multiply(parameters(`self_attn.${letter}_proj.weight`), normed, heads * headSize)
      if (!config.attentionBias) return product
      const bias = parameters(`self_attn.${letter}_proj.bias`)
      return product.map((x, i) => x + bias[i]!)
    }
    const place = (letter: "q" | "k", heads: number) => {
      const projected = project(letter, heads)
      const scale = config.queryKeyNorm ? parameters(`self_attn.${letter}_norm.weight`) : undefined
      const normed = scale ? eachHead(projected, headSize, (head) => rmsNorm(head, scale, config)) : projected
      return eachHead(normed, headSize, (head) => rotate(head, position, config, layer))
    }
    queries.push(place("q", headCount))
    keys.push(place("k", keyValueHeadCount))
    values.push(project("v", keyValueHeadCount))
  })
  const queriesPerKey = headCount / keyValueHeadCount
  rows.forEach((row, position) => {
    const mixed = new Float64Array(headCount * headSize)
    const firstVisible = Math.max(0, position - window + 1)
    for (let head = 0; head < headCount; head++) {
      const own = head * headSize
      const shared = Math.floor(head / queriesPerKey) * headSize
      const scores = Float64Array.from({ length: position + 1 - firstVisible }, (_, past) => {
        const key = keys[firstVisible + past]!
        let score = 0
        for (let d = 0; d < headSize; d++) score += queries[position]![own + d]! * key[shared + d]!
        return capped(score * config.attentionScale, config.attentionSoftCap)
      })
      const normaliser = logSumExp(scores)
      scores.forEach((score, past) => {
        const share = Math.exp(score - normaliser)
        for (let d = 0; d < headSize; d++) mixed[own + d]! += share * values[firstVisible + past]![shared + d]!
      })
    }
    const result = multiply(parameters("self_attn.o_proj.weight"), mixed, config.hiddenSize)
    addTo(row, config.postNorms ? rmsNorm(result, parameters("post_attention_layernorm.weight"), config) : result)
  })
}

function addFeedForward(config: DecoderConfig, parameters: Parameters, row: Float64Array): void {
  const before = config.postNorms ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight"
  const normed = rmsNorm(row, parameters(before), config)
  const gate = multiply(parameters("mlp.gate_proj.weight"), normed, config.intermediateSize)
  const up = multiply(parameters("mlp.up_proj.weight"), normed, config.intermediateSize)
  const activated = gate.map((x, index) => activation(x, config) * up[index]!)
  const result = multiply(parameters("mlp.down_proj.weight"), activated, config.hiddenSize)
  addTo(row, config.postNorms ? rmsNorm(result, parameters("post_feedforward_layernorm.weight"), config) : result)
}

/** SiLU, or torch's gelu(approximate="tanh"). */
function activation(x: number, config: DecoderConfig): number {
  if (config.activation === "silu") return x / (1 + Math.exp(-x))
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
}

function capped(x: number, cap: number | undefined): number {
  return cap === undefined ? x : cap * Math.tanh(x / cap)
}

/** Half-rotation RoPE of one head: dimension d turns with d + D/2 by the position times d's frequency. */
function rotate(head: Float64Array, position: number, { headSize, layers }: DecoderConfig, layer: number) {
  const half = headSize / 2
  const rotated = new Float64Array(headSize)
  for (let d = 0; d < half; d++) {
    const angle = position * ropeFrequency(d, { headSize, ...layers[layer]!.rope })
    const [x, y] = [head[d]!, head[half + d]!]
    rotated[d] = x * Math.cos(angle) - y * Math.sin(angle)
    rotated[half + d] = y * Math.cos(angle) + x * Math.sin(angle)
  }
  return rotated
}

function eachHead(heads: Float64Array, headSize: number, change: (head: Float64Array) => Float64Array): Float64Array {
  const changed = new Float64Array(heads.length)
  for (let start = 0; start < heads.length; start += headSize) {
    changed.set(change(heads.subarray(start, start + headSize)), start)
  }
  return changed
}

function rmsNorm(
  row: Float64Array,
  scale: ArrayLike<number>,
  { rmsNormEpsilon, normOffset }: DecoderConfig,
): Float64Array {
  const meanSquare = row.reduce((sum, x) => sum + x * x, 0) / row.length
  return row.map((x, channel) => (x / Math.sqrt(meanSquare + rmsNormEpsilon)) * (normOffset + scale[channel]!))
}

function addTo(row: Float64Array, addition: Float64Array): void {
  addition.forEach((x, channel) => {
    row[channel]! += x
  })
}

/** W·x with W [rows, x.length] row-major. */
function multiply(matrix: ArrayLike<number>, vector: Float64Array, rows: number): Float64Array {
  const columns = vector.length
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0
    for (let column = 0; column < columns; column++) sum += matrix[row * columns + column]! * vector[column]!
    return sum
  })
}

function logSumExp(values: Float64Array): number {
  const peak = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  return peak + Math.log(values.reduce((sum, x) => sum + Math.exp(x - peak), 0))
}

function weight(weights: DecoderWeights, name: string): ArrayLike<number> {
  const values = weights.get(name)
  if (values === undefined) throw new Error(`the oracle has no weight ${name}`)
  return values
}
