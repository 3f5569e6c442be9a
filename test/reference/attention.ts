// Reference: attention with an explicit visibility test for every (query, key) of pairs laid out `[prompt | chosen | rejected]`,
// with a sliding window by position and a soft cap of the scores where asked for.
// The mask is derived here from the pairs themselves, not from the ranges that the device reads.
import { type Array64, dimensions, zeros64 } from "./array64.ts"

export interface AttentionShape {
  readonly pairs: readonly { promptLength: number; chosenLength: number; rejectedLength: number }[]
  readonly headCount: number
  readonly keyValueHeadCount: number
  /** A query at position p sees keys above p − window only. */
  readonly window?: number | undefined
  readonly softCap?: number | undefined
  /** 1 / sqrt(D) by default. */
  readonly scale?: number | undefined
}

export interface TokenPlace {
  readonly pair: number
  readonly part: "prompt" | "chosen" | "rejected"
  readonly index: number
  /** Counted from the pair's first token, both responses from the end of the prompt. */
  readonly position: number
}

/** Every token of the pack, in order. */
export function places(pairs: AttentionShape["pairs"]): TokenPlace[] {
  return pairs.flatMap(({ promptLength, chosenLength, rejectedLength }, pair) => {
    const part = (name: TokenPlace["part"], length: number, first: number) =>
      Array.from({ length }, (_, index) => ({ pair, part: name, index, position: first + index }))
    const responses = [...part("chosen", chosenLength, promptLength), ...part("rejected", rejectedLength, promptLength)]
    return [...part("prompt", promptLength, 0), ...responses]
  })
}

/** Whether the query attends to the key. */
export function isVisible(query: TokenPlace, key: TokenPlace, window = Number.POSITIVE_INFINITY): boolean {
  if (query.pair !== key.pair || query.position - key.position >= window) return false
  if (query.part === key.part) return key.index <= query.index
  return key.part === "prompt"
}

interface Walk {
  readonly headSize: number
  readonly scale: number
  /** Calls back with every (query token, query head) and the probabilities of its visible keys. */
  readonly forEachRow: (visit: (row: AttentionRow) => void) => void
}

interface AttentionRow {
  readonly queryStart: number
  readonly keyStarts: readonly number[]
  readonly probabilities: readonly number[]
  /** dScore / dScaledProduct of each visible key: 1 without a soft cap. */
  readonly slopes: readonly number[]
}

function walk(query: Array64, key: Array64, shape: AttentionShape): Walk {
  const { pairs, headCount, keyValueHeadCount, window, softCap } = shape
  const headSize = dimensions(query)[1] / headCount
  const scale = shape.scale ?? 1 / Math.sqrt(headSize)
  const tokens = places(pairs)
  const forEachRow = (visit: (row: AttentionRow) => void) => {
    tokens.forEach((queryPlace, i) => {
      const visible = tokens.flatMap((keyPlace, j) => (isVisible(queryPlace, keyPlace, window) ? [j] : []))
      for (let head = 0; head < headCount; head++) {
        const keyHead = Math.floor(head / (headCount / keyValueHeadCount))
        const queryStart = (i * headCount + head) * headSize
        const keyStarts = visible.map((j) => (j * keyValueHeadCount + keyHead) * headSize)
        const scaled = keyStarts.map((start) => scale * dot(query.data, queryStart, key.data, start, headSize))
        const scores = softCap ? scaled.map((x) => softCap * Math.tanh(x / softCap)) : scaled
        const slopes = scaled.map((x) => (softCap ? 1 - Math.tanh(x / softCap) ** 2 : 1))
        visit({ queryStart, keyStarts, probabilities: softmax(scores), slopes })
      }
    })
  }
  return { headSize, scale, forEachRow }
}

function dot(left: Float64Array, leftStart: number, right: Float64Array, rightStart: number, length: number): number {
  let sum = 0
  for (let d = 0; d < length; d++) sum += left[leftStart + d]! * right[rightStart + d]!
  return sum
}

function softmax(scores: readonly number[]): number[] {
  const greatest = Math.max(...scores)
  const exponentials = scores.map((score) => Math.exp(score - greatest))
  const total = exponentials.reduce((sum, value) => sum + value, 0)
  return exponentials.map((value) => value / total)
}

/** softmax(cap(scale q kᵀ) + mask) v per head. */
export function attention(query: Array64, key: Array64, value: Array64, shape: AttentionShape): Array64 {
  const { headSize, forEachRow } = walk(query, key, shape)
  const output = zeros64(...query.shape)
  forEachRow(({ queryStart, keyStarts, probabilities }) => {
    keyStarts.forEach((start, n) => {
      for (let d = 0; d < headSize; d++) output.data[queryStart + d]! += probabilities[n]! * value.data[start + d]!
    })
  })
  return output
}

/** Gradients of query, key and value by the softmax Jacobian. */
export function attentionBackward(
  query: Array64,
  key: Array64,
  value: Array64,
  shape: AttentionShape,
  dOutput: Array64,
) {
  const { headSize, scale, forEachRow } = walk(query, key, shape)
  const dQuery = zeros64(...query.shape)
  const dKey = zeros64(...key.shape)
  const dValue = zeros64(...value.shape)
  forEachRow(({ queryStart, keyStarts, probabilities, slopes }) => {
    const dProbabilities = keyStarts.map((start) => dot(dOutput.data, queryStart, value.data, start, headSize))
    const mean = dProbabilities.reduce((sum, d, n) => sum + d * probabilities[n]!, 0)
    keyStarts.forEach((start, n) => {
      const dScore = probabilities[n]! * (dProbabilities[n]! - mean) * slopes[n]! * scale
      for (let d = 0; d < headSize; d++) {
        dValue.data[start + d]! += probabilities[n]! * dOutput.data[queryStart + d]!
        dKey.data[start + d]! += dScore * query.data[queryStart + d]!
        dQuery.data[queryStart + d]! += dScore * key.data[start + d]!
      }
    })
  })
  return { query: dQuery, key: dKey, value: dValue }
}
