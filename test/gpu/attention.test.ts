// Attention over laid-out rows of prefix-shared pairs against the f64 reference, which builds its mask from the pairs and not from ranges.
import { expect } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { attention, attentionBackward, attentionStatistics } from "#gpu-runner/ops/attention/attention.ts"
import { attentionLayout, type PairLengths } from "#gpu-runner/ops/attention/attention-layout.ts"
import {
  attentionKernels,
  type TiledAttentionLists,
  uploadAttentionLayout,
} from "#gpu-runner/ops/attention/attention-lists.ts"
import { tiledAttentionBackward } from "#gpu-runner/ops/attention/attention-tiled.ts"
import { zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { type Array64, rowsOf, zeros64 } from "#test/reference/array64.ts"
import { attention as attention64, attentionBackward as attentionBackward64 } from "#test/reference/attention.ts"
import { normal64 } from "#test/reference/random.ts"
import { compareOp, relativeError, uploaded64 } from "./compare-op.ts"
import { gpuKernelsTest, gpuTest, portableTest, softwareTest } from "./lanes.ts"

interface AttentionCase {
  readonly what: string
  readonly pairs: readonly PairLengths[]
  readonly heads: readonly [headCount: number, keyValueHeadCount: number, headSize: number]
  readonly window?: number
  readonly softCap?: number
  readonly scale?: number
  /** Tokens whose queries are given; all by default. */
  readonly queries?: readonly number[]
}

const pair = (promptLength: number, chosenLength: number, rejectedLength: number): PairLengths => ({
  promptLength,
  chosenLength,
  rejectedLength,
})

const CASES: readonly AttentionCase[] = [
  { what: "a single token", pairs: [pair(1, 0, 0)], heads: [1, 1, 4] },
  { what: "one pair of one-token responses", pairs: [pair(1, 1, 1)], heads: [2, 1, 4] },
  { what: "a plain sequence", pairs: [pair(19, 0, 0)], heads: [2, 2, 16] },
  {
    what: "pairs of different lengths, grouped heads",
    pairs: [pair(3, 5, 2), pair(9, 1, 7), pair(1, 4, 12)],
    heads: [4, 2, 8],
  },
  { what: "a head size between two register tiles", pairs: [pair(7, 8, 3), pair(2, 2, 9)], heads: [3, 1, 20] },
  { what: "responses longer than a tile", pairs: [pair(5, 41, 37), pair(33, 2, 1)], heads: [2, 1, 32] },
  { what: "a long prompt, head size 64", pairs: [pair(70, 9, 11)], heads: [2, 2, 64] },
  { what: "head size 128", pairs: [pair(6, 5, 4), pair(3, 3, 3)], heads: [2, 1, 128] },
  // Scores of several times the cap, so that its slope is far from 1 for many keys.
  { what: "capped scores", pairs: [pair(3, 5, 2), pair(9, 1, 7)], heads: [4, 2, 8], softCap: 1.5 },
  { what: "a window of two positions", pairs: [pair(3, 5, 2), pair(1, 1, 0)], heads: [2, 1, 8], window: 2 },
  { what: "a window within the responses", pairs: [pair(9, 12, 7), pair(2, 9, 0)], heads: [2, 1, 8], window: 5 },
  {
    what: "a window over several tiles, capped and scaled",
    pairs: [pair(40, 50, 45), pair(70, 3, 9)],
    heads: [2, 1, 8],
    window: 37,
    softCap: 2,
    scale: 0.5,
  },
  {
    what: "the queries of some tokens alone",
    pairs: [pair(3, 5, 2), pair(40, 9, 7)],
    heads: [4, 2, 8],
    queries: [2, 3, 7, 49, ...Array.from({ length: 14 }, (_, n) => 51 + n)],
  },
  {
    what: "the last query of a windowed pair alone, capped",
    pairs: [pair(9, 5, 40)],
    heads: [2, 1, 8],
    window: 37,
    softCap: 2,
    queries: [53],
  },
]

/** What attention over some queries is in terms of attention over all: other rows are 0, and so are their upstream gradients. */
function amongAllTokens(rows: Array64, queries: Uint32Array, tokenCount: number): Array64 {
  const columns = rows.shape[1]!
  const all = zeros64(tokenCount, columns)
  queries.forEach((token, row) => {
    all.data.set(rows.data.subarray(row * columns, (row + 1) * columns), token * columns)
  })
  return all
}

async function compareAttention(context: OpContext, { pairs, heads, queries: tokens, ...options }: AttentionCase) {
  const [headCount, keyValueHeadCount, headSize] = heads
  const host = attentionLayout(pairs, { ...options, queries: tokens && Uint32Array.from(tokens) })
  const shape = { pairs, headCount, keyValueHeadCount, ...options }
  const matrix = (name: string, rows: number, count: number) =>
    normal64(name, [rows, count * headSize], { outlierEvery: 97 })
  const all = (rows: Array64) => amongAllTokens(rows, host.queries, host.tokenCount)
  const asked = (rows: Array64) => rowsOf(rows, host.queries)
  // Where a query sees itself alone, d_S is the difference of two equal sums: 0 to rounding, and only the reference kernels' is exactly 0.
  const smallestScale = attentionKernels(context) === "workgroup" ? 0.1 : undefined
  await compareOp(context, {
    ...(smallestScale && { smallestScale }),
    inputs: {
      query: matrix("query", host.queries.length, headCount),
      key: matrix("key", host.tokenCount, keyValueHeadCount),
      value: matrix("value", host.tokenCount, keyValueHeadCount),
    },
    reference: {
      forward: ({ query, key, value }) => asked(attention64(all(query), key, value, shape)),
      backward: ({ query, key, value }, dOutput) => {
        const gradients = attentionBackward64(all(query), key, value, shape, all(dOutput))
        return { ...gradients, query: asked(gradients.query) }
      },
    },
    device: {
      forward: (ctx, inputs) => attention(ctx, inputs, uploadAttentionLayout(ctx, host), shape).output,
      backward: (ctx, inputs, dOutput) => {
        const layout = uploadAttentionLayout(ctx, host)
        const result = attention(ctx, inputs, layout, shape)
        const gradients = attentionBackward(ctx, { ...inputs, ...result, dOutput }, layout, shape)
        return { query: gradients.dQuery, key: gradients.dKey, value: gradients.dValue }
      },
    },
  })
}

// Larger heads compile the same text with longer loops unrolled: minutes on a software adapter, so the gpu lane runs those.
const PORTABLE_LARGEST_HEAD = 16
const GPU_KERNELS_LARGEST_HEAD = 64

for (const attentionCase of CASES) {
  const name = `attention over ${attentionCase.what} and its gradients agree with f64`
  softwareTest(name, (context) => compareAttention(context, attentionCase))
  gpuTest(name, (context) => compareAttention(context, attentionCase))
  if (attentionCase.heads[2] <= PORTABLE_LARGEST_HEAD) {
    portableTest(name, (context) => compareAttention(context, attentionCase))
  }
  if (attentionCase.heads[2] <= GPU_KERNELS_LARGEST_HEAD) {
    gpuKernelsTest(name, (context) => compareAttention(context, attentionCase))
  }
}

// 150 tokens have 5 tiles a side and 15 in all; two query heads share a key head, and a tile has two matrices of 4 KiB.
const MATRICES = [
  ["all heads at once", 1000],
  ["one key head after another", 60],
  ["exactly the first four key tiles of a head at once", 56],
  ["some key tiles at a time", 21],
  ["one key tile at a time, over the budget", 1],
] as const

for (const [what, matrices] of MATRICES) {
  softwareTest(`gradients worked off with ${what} agree with those of the whole`, async (context) => {
    const pairs = [pair(70, 41, 39)]
    const layout = uploadAttentionLayout(context, attentionLayout(pairs)) as TiledAttentionLists
    const heads = { headCount: 4, keyValueHeadCount: 2 }
    const matrix = (name: string, columns: number) => uploaded64(context, normal64(name, [150, columns]), name)
    const inputs = { query: matrix("query", 32), key: matrix("key", 16), value: matrix("value", 16) }
    const saved = { ...inputs, ...attention(context, inputs, layout, heads), dOutput: matrix("upstream", 32) }
    const whole = attentionBackward(context, saved, layout, heads)
    const inParts = {
      dQuery: zeros(context, [150, 32], "query"),
      dKey: zeros(context, [150, 16], "key"),
      dValue: zeros(context, [150, 16], "value"),
    }
    const params = { query_count: 150, key_count: 150, head_count: 4, group_size: 2, head_lane4s: 2, soft_cap: 0 }
    const tensors = { ...saved, ...inParts, statistics: attentionStatistics(context, saved, params) }
    tiledAttentionBackward(context, tensors, layout, { ...params, scale: 1 / Math.sqrt(8) }, matrices * 4096)
    for (const name of ["dQuery", "dKey", "dValue"] as const) {
      const [expected, actual] = await readback(context, [whole[name], inParts[name]])
      // A query's sum over keys is cut where a stretch ends, and its last bits with it.
      const tolerance = name === "dQuery" ? 1e-6 : 0
      expect(relativeError(actual!, Float64Array.from(expected!)), name).toBeLessThanOrEqual(tolerance)
    }
  })
}

softwareTest("a pair's result does not depend on what else is in the pack", async (context) => {
  const shape = { headCount: 2, keyValueHeadCount: 1 }
  const run = (pairs: readonly PairLengths[], skippedTokens: number) => {
    const host = attentionLayout(pairs)
    const rowsFrom = (name: string, columns: number) => {
      const all = normal64(name, [60, columns])
      const first = 20 - skippedTokens
      return {
        shape: [host.tokenCount, columns],
        data: all.data.slice(first * columns, (first + host.tokenCount) * columns),
      }
    }
    const inputs = {
      query: uploaded64(context, rowsFrom("query", 16), "query"),
      key: uploaded64(context, rowsFrom("key", 8), "key"),
      value: uploaded64(context, rowsFrom("value", 8), "value"),
    }
    return attention(context, inputs, uploadAttentionLayout(context, host), shape).output
  }
  const alone = run([pair(5, 6, 7)], 0)
  const amongOthers = run([pair(4, 3, 2), pair(5, 6, 7), pair(2, 2, 2)], 9)
  const [left, right] = await readback(context, [alone, amongOthers])
  // Sums over keys are grouped by the tiles they fall into, so equal only to rounding.
  expect(relativeError(right!.slice(9 * 16, 27 * 16), Float64Array.from(left!))).toBeLessThan(1e-6)
})

softwareTest("scores far outside of exp's range still give a softmax", async (context) => {
  const pairs = [pair(3, 2, 2)]
  const shape = { pairs, headCount: 1, keyValueHeadCount: 1 }
  const host = attentionLayout(pairs)
  const query = normal64("query", [7, 4], { scale: 300 })
  const key = normal64("key", [7, 4], { scale: 300 })
  const value = normal64("value", [7, 4])
  const inputs = {
    query: uploaded64(context, query, "query"),
    key: uploaded64(context, key, "key"),
    value: uploaded64(context, value, "value"),
  }
  const { output } = attention(context, inputs, uploadAttentionLayout(context, host), shape)
  const [actual] = await readback(context, [output])
  expect(relativeError(actual!, attention64(query, key, value, shape).data)).toBeLessThan(1e-4)
})

softwareTest("the layout restarts rejected positions after the prompt and says until when a key is seen", () => {
  const { ranges, positions, tokenCount } = attentionLayout([pair(2, 1, 2), pair(1, 1, 0)])
  expect(tokenCount).toBe(7)
  expect([...positions]).toEqual([0, 1, 2, 2, 3, 0, 1])
  expect(Array.from({ length: 7 }, (_, i) => [...ranges.slice(4 * i, 4 * i + 4)])).toEqual([
    [0, 0, 0, 5],
    [0, 0, 0, 5],
    [0, 2, 2, 3],
    [0, 2, 3, 5],
    [0, 2, 3, 5],
    [5, 5, 5, 7],
    [5, 6, 6, 7],
  ])
})

softwareTest("attention refuses heads that do not divide, and a layout of other rows", (context) => {
  const matrix = (columns: number) => uploaded64(context, normal64("matrix", [3, columns]), `matrix${columns}`)
  const layout = uploadAttentionLayout(context, attentionLayout([pair(1, 1, 1)]))
  const other = uploadAttentionLayout(context, attentionLayout([pair(1, 1, 2)]))
  const inputs = { query: matrix(24), key: matrix(8), value: matrix(8) }
  const heads = { headCount: 3, keyValueHeadCount: 1 }
  expect(() => attention(context, inputs, layout, { headCount: 3, keyValueHeadCount: 2 })).toThrow(ShapeMismatch)
  expect(() => attention(context, inputs, other, heads)).toThrow("ranges (attention.ranges) must be u32 [3,4]")
  const odd = { query: matrix(6), key: matrix(6), value: matrix(6) }
  expect(() => attention(context, odd, layout, { headCount: 1, keyValueHeadCount: 1 })).toThrow(
    "head size 6 is not supported",
  )
  expect(() => attentionLayout([pair(0, 1, 1)])).toThrow("at least one prompt token")
  for (const queries of [[], [1, 1], [2, 1], [3]]) {
    const asked = { queries: Uint32Array.from(queries) }
    expect(() => attentionLayout([pair(1, 1, 1)], asked)).toThrow("queries must name tokens below 3 in rising order")
  }
})
