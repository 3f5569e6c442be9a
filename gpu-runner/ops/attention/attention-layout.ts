// What every token of laid-out rows may attend to: pairs `[prompt | chosen | rejected]`, one after another. Pure host code.
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"

/** Lengths in tokens. A response of 0 tokens stands for a plain sequence (one prompt, or prompt and one response). */
export interface PairLengths {
  readonly promptLength: number
  readonly chosenLength: number
  readonly rejectedLength: number
}

/** The layout on the host. */
export interface HostAttentionLayout {
  /** [T, 4]: prefix start, prefix end, own start, key end. Token i sees [prefix start, prefix end) ∪ [own start, i];
   * as a key it is seen by no query at or past key end. With a window some queries before it do not see it either. */
  readonly ranges: Uint32Array
  /** [T]: position for RoPE; rejected positions restart after the prompt. */
  readonly positions: Uint32Array
  readonly tokenCount: number
  /** [Q], rising: the tokens whose queries are given. All T, unless fewer were asked for. */
  readonly queries: Uint32Array
}

export interface AttentionLayoutOptions {
  /** Sliding window in positions: a query at position p sees keys at positions above p − window only. None by default. */
  readonly window?: number | undefined
  /** Tokens, rising: attention takes the queries of these alone, in this order, and gives as many rows. All tokens by default. */
  readonly queries?: Uint32Array | undefined
}

/**
 * Ranges and positions of pairs laid out one after another. The window goes by position, and a rejected response restarts after the
 * prompt, so that sharing the prompt changes nothing. Errors: ShapeMismatch for a pair without a prompt token, no pair, or a
 * window that is no positive whole number; queries that do not rise or lie outside of the rows.
 */
export function attentionLayout(
  pairs: readonly PairLengths[],
  { window = Number.POSITIVE_INFINITY, queries }: AttentionLayoutOptions = {},
): HostAttentionLayout {
  const tokenCount = pairs.reduce((sum, pair) => sum + pairTokens(pair), 0)
  if (tokenCount === 0) throw new ShapeMismatch("attentionLayout", "the pack holds no tokens")
  if (!(window >= 1 && (Number.isInteger(window) || window === Number.POSITIVE_INFINITY))) {
    throw new ShapeMismatch("attentionLayout", `window is ${window}; it must be a whole number of at least 1 position`)
  }
  const layout = {
    ranges: new Uint32Array(tokenCount * 4),
    positions: new Uint32Array(tokenCount),
    tokenCount,
    queries: queries ?? Uint32Array.from({ length: tokenCount }, (_, token) => token),
  }
  if (queries) checkQueries(queries, tokenCount)
  let start = 0
  for (const pair of pairs) {
    const promptEnd = start + pair.promptLength
    const chosenEnd = promptEnd + pair.chosenLength
    const end = start + pairTokens(pair)
    const prompt = { from: start, to: promptEnd, prefixEnd: start, firstPosition: 0 }
    const chosen = { from: promptEnd, to: chosenEnd, prefixEnd: promptEnd, firstPosition: pair.promptLength }
    const rejected = { ...chosen, from: chosenEnd, to: end }
    writePart(layout, { ...prompt, readers: [prompt, chosen, rejected] }, start, window)
    writePart(layout, { ...chosen, readers: [chosen] }, start, window)
    writePart(layout, { ...rejected, readers: [rejected] }, start, window)
    start = end
  }
  return layout
}

interface Part {
  /** Tokens [from, to) of all. */
  readonly from: number
  readonly to: number
  readonly prefixEnd: number
  readonly firstPosition: number
}

// Writes the rows of one part of a pair. `readers` are the parts whose queries may see its keys, in the order of their tokens.
function writePart(
  { ranges, positions }: HostAttentionLayout,
  { from, to, prefixEnd, firstPosition, readers }: Part & { readonly readers: readonly Part[] },
  pairStart: number,
  window: number,
) {
  for (let token = from; token < to; token++) {
    const position = firstPosition + token - from
    // In the prompt, position and place in the pair are the same number.
    const firstPrefixKey = pairStart + Math.max(0, position - window + 1)
    const prefixStart = Math.min(prefixEnd, firstPrefixKey)
    const ownStart = Math.max(from, token - window + 1)
    let keyEnd = token + 1
    for (const reader of readers) {
      const visibleQueries = Math.min(reader.to - reader.from, position + window - reader.firstPosition)
      if (visibleQueries > 0) keyEnd = reader.from + visibleQueries
    }
    ranges.set([prefixStart, prefixEnd, ownStart, keyEnd], token * 4)
    positions[token] = position
  }
}

function pairTokens({ promptLength, chosenLength, rejectedLength }: PairLengths): number {
  const lengths = [promptLength, chosenLength, rejectedLength]
  if (!lengths.every((length) => Number.isInteger(length) && length >= 0) || promptLength === 0) {
    throw new ShapeMismatch("attentionLayout", `lengths ${lengths}: whole numbers, and at least one prompt token`)
  }
  return promptLength + chosenLength + rejectedLength
}

function checkQueries(queries: Uint32Array, tokenCount: number): void {
  const rises = queries.every((token, row) => token < tokenCount && (row === 0 || token > queries[row - 1]!))
  if (rises && queries.length > 0) return
  throw new ShapeMismatch("attentionLayout", `queries must name tokens below ${tokenCount} in rising order`)
}

/** Prefix start, prefix end, own start and own end of every query row: AttentionLayout.ranges. */
export function queryRanges({ ranges, queries }: HostAttentionLayout): Uint32Array {
  const rows = new Uint32Array(queries.length * 4)
  queries.forEach((token, row) => {
    rows.set(ranges.subarray(4 * token, 4 * token + 3), 4 * row)
    rows[4 * row + 3] = token + 1
  })
  return rows
}

/** [T, 2]: of every key the first query row at or after it, and the first past its end. With a window some between do not see it. */
export function keyReaders({ ranges, queries, tokenCount }: HostAttentionLayout): Uint32Array {
  const rowsBefore = new Uint32Array(tokenCount + 1)
  for (const token of queries) rowsBefore[token + 1] = 1
  for (let token = 0; token < tokenCount; token++) rowsBefore[token + 1]! += rowsBefore[token]!
  const readers = new Uint32Array(tokenCount * 2)
  for (let token = 0; token < tokenCount; token++) {
    readers[2 * token] = rowsBefore[token]!
    readers[2 * token + 1] = rowsBefore[ranges[4 * token + 3]!]!
  }
  return readers
}
