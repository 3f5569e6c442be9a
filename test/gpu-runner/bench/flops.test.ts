// FLOPs against numbers worked out by hand, and against the published roofline of an α-DPO pair on three models.
import { describe, expect, test } from "vitest"
import { adapterWeights, bodyWeights, passWork, unsharedRows, visiblePairs } from "#gpu-runner/bench/flops.ts"
import { LAYOUTS, layoutConfig } from "#gpu-runner/bench/layouts.ts"

const pair = (promptLength: number, chosenLength: number, rejectedLength: number) => ({
  promptLength,
  chosenLength,
  rejectedLength,
})

describe("visible pairs of tokens", () => {
  test.each([
    // 1 + 2 + 3
    [pair(3, 0, 0), 6],
    // Prompt 1 + 2; chosen 3 + 4 + 5; rejected 3 + 4, which starts after the prompt again.
    [pair(2, 3, 2), 22],
    [pair(1, 1, 1), 5],
  ])("of %j are %i", (row, count) => {
    expect(visiblePairs(row)).toBe(count)
  })
})

describe("a model of one layer, 2 heads of 4 channels on 1, 8 wide, MLP of 12, 10 tokens", () => {
  const model = layoutConfig(
    {
      hidden: 8,
      layers: 1,
      heads: 2,
      keyValueHeads: 1,
      headSize: 4,
      intermediate: 12,
      vocabulary: 10,
      tied: true,
    },
    64,
  )
  const rows = [pair(2, 3, 2)]

  test("has q and o of 64 weights, k and v of 32, and three of 96", () => {
    expect(bodyWeights(model)).toBe(2 * 64 + 2 * 32 + 3 * 96)
  })

  test("has an adapter of rank 3 with 3 · (4 · 8 + 2 · 8 + …) parameters", () => {
    // q 8 + 8, k and v 4 + 8, o 8 + 8, gate, up and down 12 + 8
    expect(adapterWeights(model, 3)).toBe(3 * (16 + 12 + 12 + 16 + 20 + 20 + 20))
  })

  test("needs for log-probs: 2 · 480 · 7 in the body, 4 · 8 · 22 in attention, 2 · 80 · 5 in the head", () => {
    expect(passWork(model, rows, { trains: "nothing", rank: 0 })).toEqual({
      body: 6720,
      adapter: 0,
      attention: 704,
      head: 800,
      total: 8224,
    })
  })

  test("needs for LoRA the body twice, the adapter three times, attention 3.5 times, the head twice", () => {
    expect(passWork(model, rows, { trains: "adapter", rank: 3 })).toEqual({
      body: 13_440,
      adapter: 3 * 2 * 348 * 7,
      attention: 2464,
      head: 1600,
      total: 13_440 + 14_616 + 2464 + 1600,
    })
  })

  test("needs for all weights a third pass through body and head, and no adapter", () => {
    expect(passWork(model, rows, { trains: "weights", rank: 0 })).toMatchObject({
      body: 20_160,
      adapter: 0,
      head: 2400,
    })
  })

  test("needs with checkpointing one more forward pass of body, adapter and attention, not of the head", () => {
    const pass = { trains: "adapter", rank: 3, isRecomputed: true } as const
    expect(passWork(model, rows, pass)).toMatchObject({
      body: 20_160,
      adapter: 4 * 4872,
      attention: 4.5 * 704,
      head: 1600,
    })
  })

  test("needs with a reference one more forward pass of body, attention and head, not of the adapter", () => {
    const pass = { trains: "adapter", rank: 3, scoresReference: true } as const
    expect(passWork(model, rows, pass)).toMatchObject({
      body: 20_160,
      adapter: 14_616,
      attention: 4.5 * 704,
      head: 2400,
    })
  })

  test("computes the prompt twice where it is not shared", () => {
    expect(unsharedRows(rows)).toEqual([pair(2, 3, 0), pair(2, 2, 0)])
  })
})

// P = R = 256, LoRA of rank 16 on all seven linears; TFLOP a pair.
describe.each([
  ["smollm2-135m", 106.2, 4.9, { best: 0.462, referenced: 0.67, recomputed: 0.649, unshared: 0.586, stock: 1.096 }],
  ["llama-3.2-1b", 973, 11.3, { best: 3.68, referenced: 5.48, recomputed: 5.23, unshared: 4.71, stock: 9.06 }],
  ["llama-3-8b", 6979, 41.9, { best: 23.1, referenced: 34.5, recomputed: 34, unshared: 30.4, stock: 59.9 }],
] as const)("the roofline of %s", (layout, body, adapter, expected) => {
  const model = layoutConfig(LAYOUTS[layout], 512)
  const rows = [pair(256, 256, 256)]
  const pass = { trains: "adapter", rank: 16 } as const

  test("has these weights, in millions", () => {
    expect(bodyWeights(model) / 1e6).toBeCloseTo(body, body > 1000 ? -1 : 0)
    expect(adapterWeights(model, 16) / 1e6).toBeCloseTo(adapter, 0)
  })

  test.each([
    ["best", rows, pass],
    ["referenced", rows, { ...pass, scoresReference: true }],
    ["recomputed", rows, { ...pass, isRecomputed: true }],
    ["unshared", unsharedRows(rows), pass],
    ["stock", unsharedRows(rows), { ...pass, isRecomputed: true, scoresReference: true }],
  ] as const)("%s", (name, lengths, how) => {
    const teraflops = passWork(model, lengths, how).total / 1e12
    // Within half a unit of the last of three digits, and what counting pairs of tokens exactly adds.
    expect(Math.abs(teraflops - expected[name])).toBeLessThan(0.005 * expected[name])
  })
})
