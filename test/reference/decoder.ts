// A Llama forward pass in f64, written for reading: the oracle for the ONNX graph and for the device.
// One token at a time with plain loops; nothing is shared with the code under test but the config's field names.
import type { DecoderConfig } from "#shared/formats/decoder-config.ts"

/** Weights by Hugging Face tensor name, row-major; linear weights are [out, in]. */
export type DecoderWeights = ReadonlyMap<string, ArrayLike<number>>

/**
 * Log-prob in nats of each token from `responseStart` on, given everything before it: [T - responseStart].
 * Source: transformers' modeling_llama.py (RMSNorm, half-rotation RoPE, grouped-query attention, SwiGLU).
 */
export function decoderTokenLogProbs(
  config: DecoderConfig,
  weights: DecoderWeights,
  tokenIds: ArrayLike<number>,
  responseStart: number,
): Float64Array {
  const hidden = decoderHiddenStates(config, weights, tokenIds)
  const head = weight(weights, config.tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight")
  return Float64Array.from({ length: tokenIds.length - responseStart }, (_, index) => {
    const logits = multiply(head, hidden[responseStart + index - 1]!, config.vocabularySize)
    return logits[tokenIds[responseStart + index]!]! - logSumExp(logits)
  })
}

/** Final hidden state of every position, after the last norm: T rows of [hiddenSize]. */
export function decoderHiddenStates(
  config: DecoderConfig,
  weights: DecoderWeights,
  tokenIds: ArrayLike<number>,
): Float64Array[] {
  const embeddings = weight(weights, "model.embed_tokens.weight")
  const width = config.hiddenSize
  const rows = Array.from({ length: tokenIds.length }, (_, position) =>
    Float64Array.from({ length: width }, (_, channel) => embeddings[tokenIds[position]! * width + channel]!),
  )
  for (let layer = 0; layer < config.layerCount; layer++) {
    const parameters = (name: string) => weight(weights, `model.layers.${layer}.${name}.weight`)
    addAttention(config, parameters, rows)
    for (const row of rows) addFeedForward(config, parameters, row)
  }
  return rows.map((row) => rmsNorm(row, weight(weights, "model.norm.weight"), config.rmsNormEpsilon))
}

type Parameters = (name: string) => ArrayLike<number>

function addAttention(config: DecoderConfig, parameters: Parameters, rows: Float64Array[]): void {
  const { headCount, keyValueHeadCount, headSize } = config
  const queries: Float64Array[] = []
  const keys: Float64Array[] = []
  const values: Float64Array[] = []
  rows.forEach((row, position) => {
    const normed = rmsNorm(row, parameters("input_layernorm"), config.rmsNormEpsilon)
    const project = (name: string, heads: number) => multiply(parameters(`self_attn.${name}`), normed, heads * headSize)
    queries.push(rotate(project("q_proj", headCount), position, config))
    keys.push(rotate(project("k_proj", keyValueHeadCount), position, config))
    values.push(project("v_proj", keyValueHeadCount))
  })
  const queriesPerKey = headCount / keyValueHeadCount
  rows.forEach((row, position) => {
    const mixed = new Float64Array(headCount * headSize)
    for (let head = 0; head < headCount; head++) {
      const own = head * headSize
      const shared = Math.floor(head / queriesPerKey) * headSize
      const scores = Float64Array.from({ length: position + 1 }, (_, past) => {
        let score = 0
        for (let d = 0; d < headSize; d++) score += queries[position]![own + d]! * keys[past]![shared + d]!
        return score / Math.sqrt(headSize)
      })
      const normaliser = logSumExp(scores)
      scores.forEach((score, past) => {
        const share = Math.exp(score - normaliser)
        for (let d = 0; d < headSize; d++) mixed[own + d]! += share * values[past]![shared + d]!
      })
    }
    multiply(parameters("self_attn.o_proj"), mixed, config.hiddenSize).forEach((x, channel) => {
      row[channel]! += x
    })
  })
}

function addFeedForward(config: DecoderConfig, parameters: Parameters, row: Float64Array): void {
  const normed = rmsNorm(row, parameters("post_attention_layernorm"), config.rmsNormEpsilon)
  const gate = multiply(parameters("mlp.gate_proj"), normed, config.intermediateSize)
  const up = multiply(parameters("mlp.up_proj"), normed, config.intermediateSize)
  const activated = gate.map((x, index) => (x / (1 + Math.exp(-x))) * up[index]!)
  multiply(parameters("mlp.down_proj"), activated, config.hiddenSize).forEach((x, channel) => {
    row[channel]! += x
  })
}

/** Half-rotation RoPE on every head: dimension d turns with d + headSize/2 by position · theta^(-2d/headSize). */
function rotate(heads: Float64Array, position: number, { headSize, ropeTheta }: DecoderConfig): Float64Array {
  const half = headSize / 2
  const rotated = new Float64Array(heads.length)
  for (let base = 0; base < heads.length; base += headSize) {
    for (let d = 0; d < half; d++) {
      const angle = position * ropeTheta ** (-d / half)
      const [x, y] = [heads[base + d]!, heads[base + half + d]!]
      rotated[base + d] = x * Math.cos(angle) - y * Math.sin(angle)
      rotated[base + half + d] = y * Math.cos(angle) + x * Math.sin(angle)
    }
  }
  return rotated
}

function rmsNorm(row: Float64Array, scale: ArrayLike<number>, epsilon: number): Float64Array {
  const meanSquare = row.reduce((sum, x) => sum + x * x, 0) / row.length
  return row.map((x, channel) => (x / Math.sqrt(meanSquare + epsilon)) * scale[channel]!)
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
