// Keys and values of many sequences in pages on the device, and the attention of each sequence's newest token over its own pages.
// A row's result does not depend on the other rows: pages begin where positions say, and are summed in their order.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { lane4Variants, softCapVariants } from "#gpu-runner/kernels/variants.ts"
import { hasCheapBroadcast, lane4Of, lane4sPerRow, softCapVariant } from "../choose-variant.ts"
import { softCapParam } from "../elementwise/elementwise.ts"
import { expectShape, indexCount, matrixShape } from "../expect-shape.ts"
import type { AttentionInputs, AttentionOptions } from "./attention.ts"

const cacheRowsKernel = loadKernel("cache_rows")
const rotateKernel = loadKernel("rotate_into_cache", lane4Variants())
const scoresKernel = loadKernel("paged_attention_scores", softCapVariants({ only: {} }))
const pagedAttentionKernel = loadKernel("paged_attention")
const subgroupKernel = loadKernel("paged_attention_subgroup", softCapVariants({ only: { needsSubgroups: true } }))
const joinKernel = loadKernel("paged_attention_join")

/** Positions of a page; the same number stands in common/paged_keys.wgsl. */
export const PAGE_SIZE = 32

/** The slot of a token that is not kept. */
export const NO_SLOT = 0xffff_ffff

/** One layer's keys and values of all sequences. */
export interface KeyValueCache {
  /** [pages · PAGE_SIZE, KV·D] */
  readonly keys: Tensor
  readonly values: Tensor
}

/** Permanent buffers with undefined contents. Errors: TensorTooLarge. */
export function createKeyValueCache(context: OpContext, pages: number, width: number, label: string): KeyValueCache {
  const permanent = (name: string) => context.memory.allocatePermanent([pages * PAGE_SIZE, width], "f32", name)
  return { keys: permanent(`${label}.keys`), values: permanent(`${label}.values`) }
}

/** Writes rows of key and value [T, KV·D] into the cache at slots u32 [T]; rows at NO_SLOT are left out. Slots are distinct. */
export function cacheRows(
  context: OpContext,
  { key, value }: { readonly key: Tensor; readonly value: Tensor },
  slots: Tensor,
  { keys, values }: KeyValueCache,
): void {
  const [rows, columns] = matrixShape("cacheRows", "key", key)
  const [slotCount, width] = matrixShape("cacheRows", "keys", keys)
  expectShape("cacheRows", "value", value, [rows, columns])
  expectShape("cacheRows", "slots", slots, [rows], "u32")
  if (width !== columns || columns % 4 !== 0) {
    throw new ShapeMismatch("cacheRows", `rows of ${columns} do not go into a cache of ${width}, in fours`)
  }
  context.recorder.dispatch({
    kernel: cacheRowsKernel,
    variant: cacheRowsKernel.variants.only,
    tensors: [key, value, slots, keys, values],
    params: { row_count: rows, lane4s_per_row: columns / 4, slot_count: slotCount },
    workgroupCount: Math.ceil((rows * (columns / 4)) / 64),
  })
}

/** Where rows stand, and what turns them there. */
export interface RotatedRows {
  /** u32 [T, 2]: of each row its position, a row of the table, and its slot; no two slots are alike but NO_SLOT */
  readonly places: Tensor
  /** [positions, D], of createRopeTable */
  readonly ropeTable: Tensor
}

/** rope of query [T, H·D] in a new tensor, and of key [T, KV·D], which goes into the cache with value: rope and cacheRows in one pass. */
export function rotateIntoCache(
  context: OpContext,
  { query, key, value }: AttentionInputs,
  { places, ropeTable }: RotatedRows,
  { keys, values }: KeyValueCache,
): Tensor {
  const [rows, columns] = matrixShape("rotateIntoCache", "query", query)
  const [slotCount, width] = matrixShape("rotateIntoCache", "keys", keys)
  const [, headSize] = matrixShape("rotateIntoCache", "table", ropeTable)
  for (const [name, tensor] of Object.entries({ key, value })) {
    expectShape("rotateIntoCache", name, tensor, [rows, width])
  }
  expectShape("rotateIntoCache", "places", places, [rows, 2], "u32")
  if (columns % headSize !== 0 || width % headSize !== 0) {
    throw new ShapeMismatch("rotateIntoCache", `rows of ${columns} and ${width} are no whole heads of ${headSize}`)
  }
  const halfLane4s = lane4sPerRow(headSize / 2)
  const turned = context.memory.allocate(query.shape, "f32", "rotate_into_cache.turned")
  context.recorder.dispatch({
    kernel: rotateKernel,
    variant: rotateKernel.variants[lane4Of(headSize / 2)],
    tensors: [query, key, value, places, ropeTable, turned, keys, values],
    params: {
      row_count: rows,
      head_count: columns / headSize,
      key_head_count: width / headSize,
      half_lane4s: halfLane4s,
      slot_count: slotCount,
    },
    workgroupCount: Math.ceil((rows * ((columns + width) / headSize) * halfLane4s) / 64),
  })
  return turned
}

/** Whose keys lie where. */
export interface PagedRows {
  /** u32 [B, P]: of each sequence the pages of its positions; what lies past its length is not read. */
  readonly pages: Tensor
  /** u32 [B]: keys of each sequence, from 1 to P · PAGE_SIZE, its newest token's among them. */
  readonly lengths: Tensor
}

export interface PagedAttentionOptions extends AttentionOptions {
  /** Positions that a token sees, itself among them; all by default. */
  readonly window?: number | undefined
}

/** Softmax attention of query [B, H·D], each sequence's newest token, over its keys in the cache: [B, H·D]. Errors: ShapeMismatch. */
export function pagedAttention(
  context: OpContext,
  query: Tensor,
  { keys, values }: KeyValueCache,
  { pages, lengths }: PagedRows,
  options: PagedAttentionOptions,
): Tensor {
  const { headCount, keyValueHeadCount, window = NO_SLOT } = options
  const [rows, columns] = matrixShape("pagedAttention", "query", query)
  const headSize = columns / headCount
  if (headSize % 4 !== 0) throw new ShapeMismatch("pagedAttention", `head size ${headSize} is no multiple of 4`)
  const slots = keys.shape[0]!
  const pagesPerRow = pages.shape[1]!
  for (const [name, tensor] of Object.entries({ keys, values })) {
    expectShape("pagedAttention", name, tensor, [slots, keyValueHeadCount * headSize])
  }
  expectShape("pagedAttention", "pages", pages, [rows, pagesPerRow], "u32")
  if (indexCount("pagedAttention", "lengths", lengths) !== rows) {
    throw new ShapeMismatch("pagedAttention", `lengths are [${lengths.shape}], query has ${rows} rows`)
  }
  const params = {
    row_count: rows,
    pages_per_row: pagesPerRow,
    head_count: headCount,
    group_size: headCount / keyValueHeadCount,
    head_lane4s: headSize / 4,
    window,
    scale: options.scale ?? 1 / Math.sqrt(headSize),
    soft_cap: softCapParam("pagedAttention", options.softCap),
  }
  const output = context.memory.allocate(query.shape, "f32", "paged_attention.output")
  context.memory.withScope(() => {
    const parts = rows * pagesPerRow * headCount
    const sums = context.memory.allocate([parts, headSize], "f32", "paged_attention.sums")
    const statistics = context.memory.allocate([parts, 2], "f32", "paged_attention.statistics")
    const tensors = { query, keys, values, pages, lengths, sums, statistics }
    if (hasCheapBroadcast(context)) dispatchSubgroups(context, tensors, params)
    else dispatchScoresAndSums(context, tensors, params)
    context.recorder.dispatch({
      kernel: joinKernel,
      variant: joinKernel.variants.only,
      tensors: [sums, statistics, lengths, output],
      params,
      workgroupCount: Math.ceil((rows * columns) / 4 / 64),
    })
    return undefined
  })
  return output
}

interface PageTensors {
  readonly query: Tensor
  readonly keys: Tensor
  readonly values: Tensor
  readonly pages: Tensor
  readonly lengths: Tensor
  readonly sums: Tensor
  readonly statistics: Tensor
}

type PagedParams = Readonly<
  Record<"row_count" | "pages_per_row" | "head_count" | "group_size" | "head_lane4s", number>
> &
  Readonly<Record<"window" | "scale" | "soft_cap", number>>

/** Query heads that a subgroup computes together; the same number stands in paged_attention_subgroup.wgsl. */
const SUBGROUP_HEADS = 4

/** On software adapters: keys and values are read once for several heads. */
function dispatchSubgroups(context: OpContext, tensors: PageTensors, params: PagedParams): void {
  const { query, keys, values, pages, lengths, sums, statistics } = tensors
  const { row_count, pages_per_row, head_count, group_size } = params
  const chunks = (head_count / group_size) * Math.ceil(group_size / SUBGROUP_HEADS)
  context.recorder.dispatch({
    kernel: subgroupKernel,
    variant: softCapVariant(subgroupKernel, "only", params.soft_cap > 0),
    tensors: [query, keys, values, pages, lengths, sums, statistics],
    params,
    workgroupCount: row_count * pages_per_row * chunks,
  })
}

/** Everywhere: an invocation a score, then one a Lane4 of a page's sums. */
function dispatchScoresAndSums(context: OpContext, tensors: PageTensors, params: PagedParams): void {
  const { query, keys, values, pages, lengths, sums, statistics } = tensors
  const parts = params.row_count * params.pages_per_row * params.head_count
  const scores = context.memory.allocate([parts * PAGE_SIZE], "f32", "paged_attention.scores")
  context.recorder.dispatch({
    kernel: scoresKernel,
    variant: softCapVariant(scoresKernel, "only", params.soft_cap > 0),
    tensors: [query, keys, pages, lengths, scores],
    params,
    workgroupCount: Math.ceil((parts * PAGE_SIZE) / 64),
  })
  context.recorder.dispatch({
    kernel: pagedAttentionKernel,
    variant: pagedAttentionKernel.variants.only,
    tensors: [scores, values, pages, lengths, sums, statistics],
    params,
    workgroupCount: Math.ceil((parts * params.head_lane4s) / 64),
  })
}
