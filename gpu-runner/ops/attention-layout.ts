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
   * as a key it is seen by no query at or past key end. */
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

/** Ranges and positions of pairs laid out one after another. A pair without a prompt token, or an empty pack, is a ShapeMismatch. */
export function attentionLayout(pairs: readonly PairLengths[]): HostAttentionLayout {
  const tokenCount = pairs.reduce((sum, pair) => sum + pairTokens(pair), 0)
  if (tokenCount === 0) throw new ShapeMismatch("attentionLayout", "the pack holds no tokens")
  const ranges = new Uint32Array(tokenCount * 4)
  const positions = new Uint32Array(tokenCount)
  let start = 0
  for (const pair of pairs) {
    const end = start + pairTokens(pair)
    const promptEnd = start + pair.promptLength
    const chosenEnd = promptEnd + pair.chosenLength
    const write = (from: number, to: number, prefixEnd: number, keyEnd: number, firstPosition: number) => {
      for (let token = from; token < to; token++) {
        ranges.set([start, prefixEnd, from, keyEnd], token * 4)
        positions[token] = firstPosition + token - from
      }
    }
    write(start, promptEnd, start, end, 0)
    write(promptEnd, chosenEnd, promptEnd, chosenEnd, pair.promptLength)
    write(chosenEnd, end, promptEnd, end, pair.promptLength)
    start = end
  }
  return { ranges, positions, tokenCount }
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
