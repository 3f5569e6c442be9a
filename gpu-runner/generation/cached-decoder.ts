// A decoder with keys and values kept in pages: prompts are read in packed rows by the training's own forward pass, then every step
// computes one token of each sequence. A sequence's logits are the same bits whatever else is computed beside it: products and attention
// of its rows do not depend on other rows (steadyRows, paged-attention.ts), and a prompt begins where a tile of attention does.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { attentionOptions } from "#gpu-runner/models/attention-block.ts"
import { hiddenDecoder } from "#gpu-runner/models/decoder.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { type LaidOutBatch, layoutFor, uploadBatch } from "#gpu-runner/models/laid-out-batch.ts"
import type { VoiceRows } from "#gpu-runner/models/layer-pass.ts"
import { attention } from "#gpu-runner/ops/attention/attention.ts"
import {
  cacheRows,
  createKeyValueCache,
  type KeyValueCache,
  NO_SLOT,
  PAGE_SIZE,
  pagedAttention,
  rotateIntoCache,
} from "#gpu-runner/ops/attention/paged-attention.ts"
import { capInPlace } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import { rope } from "#gpu-runner/ops/rows/rope.ts"
import { groupRows } from "#gpu-runner/ops/rows/rows.ts"

/** The model, and a cache for each of its layers. */
export interface CachedDecoder {
  readonly model: Decoder
  readonly caches: readonly KeyValueCache[]
}

/** A sequence's place in the cache, and whose adapter computes it: its place among the model's voices; undefined for the base. */
export interface CachedSequence {
  readonly pages: readonly number[]
  readonly voice: number | undefined
}

export interface Prompt extends CachedSequence {
  /** At least one. */
  readonly ids: Uint32Array
}

export interface NextToken extends CachedSequence {
  readonly id: number
  /** Of the token: as many are in the cache before it. */
  readonly position: number
}

/** Prompts begin at multiples of this in a packed pass: the larger side of any attention kernel's tile. */
const PROMPT_ALIGNMENT = 64

/** Tokens that a prompt takes in a packed pass. */
export function packedTokens(length: number): number {
  return Math.ceil(length / PROMPT_ALIGNMENT) * PROMPT_ALIGNMENT
}

/** Caches of so many pages for every layer. Errors: TensorTooLarge. */
export function createCaches(context: OpContext, { config }: Decoder, pages: number): readonly KeyValueCache[] {
  const width = config.keyValueHeadCount * config.headSize
  return config.layers.map((_, layer) => createKeyValueCache(context, pages, width, `cache.layer${layer}`))
}

/** Reads prompts into the cache; the logits [P, V] of the token after each. Tensors are of the open scope. */
export function prefillLogits(
  context: OpContext,
  { model, caches }: CachedDecoder,
  prompts: readonly Prompt[],
): Tensor {
  const total = prompts.reduce((sum, { ids }) => sum + packedTokens(ids.length), 0)
  const tokenIds = new Uint32Array(total)
  const slots = new Uint32Array(total).fill(NO_SLOT)
  const rows: { promptLength: number; chosenLength: number; rejectedLength: number }[] = []
  const starts: number[] = []
  let start = 0
  for (const { ids, pages } of prompts) {
    starts.push(start)
    tokenIds.set(ids, start)
    ids.forEach((_, position) => {
      slots[start + position] = slotOf(pages, position)
    })
    const filled = packedTokens(ids.length)
    const alone = { promptLength: 1, chosenLength: 0, rejectedLength: 0 }
    rows.push({ ...alone, promptLength: ids.length }, ...Array.from({ length: filled - ids.length }, () => alone))
    start += filled
  }
  const every = Uint32Array.from({ length: total }, (_, row) => row)
  const laidOut = { tokenIds, rows, predictionRows: every, targets: tokenIds, scoredOffsets: every }
  const lastRows = Uint32Array.from(prompts, ({ ids }, index) => starts[index]! + ids.length - 1)
  const batch: LaidOutBatch = {
    ...uploadBatch(context, model, laidOut, { backward: false }),
    predictionRows: uploaded(context, lastRows, [prompts.length], "prefill.last_rows"),
  }
  const deviceSlots = uploaded(context, slots, [total], "prefill.slots")
  const voices = voiceRows(context, prompts, (prompt) => {
    // What fills up to the next prompt is computed alike, and not kept, so that prompts of a voice stand together.
    const first = starts[prompts.indexOf(prompt)]!
    return Array.from({ length: packedTokens(prompt.ids.length) }, (_, position) => first + position)
  })
  const hidden = hiddenDecoder(context, model, batch, (layer) => ({
    voices,
    attend: ({ query, key, value }, ropeTable) => {
      const inputs = {
        query: rope(context, query, batch.positions, ropeTable),
        key: rope(context, key, batch.positions, ropeTable),
        value,
      }
      cacheRows(context, inputs, deviceSlots, caches[layer]!)
      const layout = layoutFor(batch, model.config.layers[layer]!.window)
      return attention(context, inputs, layout, attentionOptions(model.config)).output
    },
  }))
  return headLogits(context, model, hidden)
}

/** Computes the next token of each sequence into the cache; the logits [B, V] of the one after it. Tensors are of the open scope. */
export function stepLogits(
  generating: OpContext,
  { model, caches }: CachedDecoder,
  tokens: readonly NextToken[],
): Tensor {
  const context: OpContext = { ...generating, steadyRows: "few" }
  const count = tokens.length
  const vector = (name: string, values: ArrayLike<number>) =>
    uploaded(context, Uint32Array.from(values), [values.length], `step.${name}`)
  const pagesPerRow = Math.max(...tokens.map(({ position }) => Math.floor(position / PAGE_SIZE) + 1))
  const pages = new Uint32Array(count * pagesPerRow)
  tokens.forEach((token, row) => {
    pages.set(token.pages.slice(0, pagesPerRow), row * pagesPerRow)
  })
  const paged = {
    pages: uploaded(context, pages, [count, pagesPerRow], "step.pages"),
    lengths: vector(
      "lengths",
      tokens.map(({ position }) => position + 1),
    ),
  }
  const ofTokens = tokens.flatMap(({ position, pages }) => [position, slotOf(pages, position)])
  const places = uploaded(context, Uint32Array.from(ofTokens), [count, 2], "step.places")
  const tokenIds = vector(
    "token_ids",
    tokens.map(({ id }) => id),
  )
  const batch: LaidOutBatch = {
    tokenCount: count,
    tokenIds,
    positions: vector(
      "positions",
      tokens.map(({ position }) => position),
    ),
    layouts: new Map(),
    predicting: undefined,
    predictionRows: vector("rows", [...tokens.keys()]),
    targets: tokenIds,
    dropoutSeeds: undefined,
    predictionGroups: undefined,
    tokenGroups: undefined,
    segments: undefined,
  }
  const voices = voiceRows(context, tokens, (token) => [tokens.indexOf(token)])
  const options = attentionOptions(model.config)
  const hidden = hiddenDecoder(context, model, batch, (layer) => ({
    voices,
    attend: (inputs, ropeTable) => {
      const cache = caches[layer]!
      const query = rotateIntoCache(context, inputs, { places, ropeTable }, cache)
      const { window } = model.config.layers[layer]!
      return pagedAttention(context, query, cache, paged, { ...options, window })
    },
  }))
  return headLogits(context, model, hidden)
}

function headLogits(context: OpContext, { config, head }: Decoder, hidden: Tensor): Tensor {
  const logits = matmul(context, hidden, head.stored, { transposeB: true })
  if (config.finalSoftCap !== undefined) capInPlace(context, logits, config.finalSoftCap)
  return logits
}

function slotOf(pages: readonly number[], position: number): number {
  return pages[Math.floor(position / PAGE_SIZE)]! * PAGE_SIZE + (position % PAGE_SIZE)
}

/** The rows of each voice that is in use, rising. Sequences of one voice that stand together need no gathering. */
function voiceRows<Sequence extends CachedSequence>(
  context: OpContext,
  sequences: readonly Sequence[],
  rowsOf: (sequence: Sequence) => readonly number[],
): readonly VoiceRows[] {
  const byVoice = new Map<number, number[]>()
  for (const sequence of sequences) {
    const { voice } = sequence
    if (voice === undefined) continue
    const rows = byVoice.get(voice) ?? []
    rows.push(...rowsOf(sequence))
    byVoice.set(voice, rows)
  }
  return [...byVoice].map(([voice, rows]) => ({
    voice,
    rows: uploaded(context, Uint32Array.from(rows), [rows.length], `voice${voice}.rows`),
    groups: groupRows(context, Uint32Array.from(rows), `voice${voice}.groups`),
    consecutive: rows.every((row, index) => row === rows[0]! + index)
      ? { first: rows[0]!, count: rows.length }
      : undefined,
  }))
}
