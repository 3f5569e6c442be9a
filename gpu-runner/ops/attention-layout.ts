// What every token of a pack may attend to. Pure host code: pairs laid out `[prompt | chosen | rejected]`, one after another.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { attentionTiles } from "./attention-tiles.ts"

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
}

/** The layout on the device. */
export interface AttentionLayout {
  /** u32 [T, 4], see HostAttentionLayout. */
  readonly ranges: Tensor
  readonly tokenCount: number
  /** The lists of HostAttentionTiles. */
  readonly tiles: Tensor
  readonly queryTileStarts: Tensor
  readonly keyTileStarts: Tensor
  readonly members: Tensor
}

export interface AttentionLayoutOptions {
  /** Sliding window in positions: a query at position p sees keys at positions above p − window only. None by default. */
  readonly window?: number | undefined
}

/**
 * Ranges and positions of pairs laid out one after another. The window goes by position, and a rejected response restarts after the
 * prompt, so that sharing the prompt changes nothing. Errors: ShapeMismatch for a pair without a prompt token, an empty pack, or a
 * window that is no positive whole number.
 */
export function attentionLayout(
  pairs: readonly PairLengths[],
  { window = Number.POSITIVE_INFINITY }: AttentionLayoutOptions = {},
): HostAttentionLayout {
  const tokenCount = pairs.reduce((sum, pair) => sum + pairTokens(pair), 0)
  if (tokenCount === 0) throw new ShapeMismatch("attentionLayout", "the pack holds no tokens")
  if (!(window >= 1 && (Number.isInteger(window) || window === Number.POSITIVE_INFINITY))) {
    throw new ShapeMismatch("attentionLayout", `window is ${window}; it must be a whole number of at least 1 position`)
  }
  const layout = { ranges: new Uint32Array(tokenCount * 4), positions: new Uint32Array(tokenCount), tokenCount }
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
  /** Tokens [from, to) of the pack. */
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

/** Uploads a layout, and the tiles that follow from it, into the open scope. */
export function uploadAttentionLayout(context: OpContext, host: HostAttentionLayout): AttentionLayout {
  const { tiles, queryTileStarts, keyTileStarts, members } = attentionTiles(host.ranges)
  const list = (values: Uint32Array, name: string) => uploaded(context, values, [values.length], `attention.${name}`)
  return {
    ranges: uploaded(context, host.ranges, [host.tokenCount, 4], "attention.ranges"),
    tokenCount: host.tokenCount,
    tiles: uploaded(context, tiles, [members.length, 2], "attention.tiles"),
    queryTileStarts: list(queryTileStarts, "query_tile_starts"),
    keyTileStarts: list(keyTileStarts, "key_tile_starts"),
    members: list(members, "members"),
  }
}
