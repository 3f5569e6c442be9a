// Reference: attention of each sequence's newest token over its own keys, which lie in pages; no page is summed by itself here.
import { type Array64, dimensions, zeros64 } from "./array64.ts"

export interface PagedShape {
  /** Of every sequence, where each of its positions lies in the cache. */
  readonly slots: readonly (readonly number[])[]
  readonly headCount: number
  readonly keyValueHeadCount: number
  /** The newest token sees so many positions, itself among them. */
  readonly window?: number | undefined
  readonly softCap?: number | undefined
  readonly scale: number
}

/** softmax(cap(scale q kᵀ)) v of query [B, H·D] over keys and values [S, KV·D]: [B, H·D]. */
export function pagedAttention(query: Array64, keys: Array64, values: Array64, shape: PagedShape): Array64 {
  const { slots, headCount, keyValueHeadCount, window = Number.POSITIVE_INFINITY, softCap, scale } = shape
  const [, columns] = dimensions(query)
  const headSize = columns / headCount
  const width = keyValueHeadCount * headSize
  const output = zeros64(...query.shape)
  slots.forEach((ofSequence, row) => {
    const visible = ofSequence.slice(Math.max(0, ofSequence.length - window))
    for (let head = 0; head < headCount; head++) {
      const start = row * columns + head * headSize
      const keyHead = Math.floor(head / (headCount / keyValueHeadCount)) * headSize
      const scores = visible.map((slot) => {
        let score = 0
        for (let d = 0; d < headSize; d++) score += query.data[start + d]! * keys.data[slot * width + keyHead + d]!
        return softCap ? softCap * Math.tanh((scale * score) / softCap) : scale * score
      })
      const greatest = Math.max(...scores)
      const weights = scores.map((score) => Math.exp(score - greatest))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      visible.forEach((slot, n) => {
        for (let d = 0; d < headSize; d++) {
          output.data[start + d]! += (weights[n]! / total) * values.data[slot * width + keyHead + d]!
        }
      })
    }
  })
  return output
}
