// Random packs at the edges of tiles, executed: each pair's two plain sequences are computed alone in f64, and the pack on the device
// must give the same outputs. Nothing is shared in the reference, so it knows no ranges, tiles or positions of a pack.
import { expect } from "vitest"
import { createContext, type KernelChoice, type OpContext } from "#gpu-runner/device/context.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { attention, attentionBackward } from "#gpu-runner/ops/attention/attention.ts"
import { attentionLayout } from "#gpu-runner/ops/attention/attention-layout.ts"
import { uploadAttentionLayout } from "#gpu-runner/ops/attention/attention-lists.ts"
import { type Array64, rowsOf } from "#test/reference/array64.ts"
import { attention as attention64, attentionBackward as attentionBackward64 } from "#test/reference/attention.ts"
import { normal64 } from "#test/reference/random.ts"
import { type Lengths, randomMicroBatches, unsharedSequences } from "#test/reference/unshared-sequences.ts"
import { relativeError, uploaded64 } from "./compare-op.ts"
import { gpuTest, softwareTest } from "./lanes.ts"

const PACKS = 40
const MOST_TOKENS = 260
const HEADS = { headCount: 2, keyValueHeadCount: 1 }
const HEAD_SIZE = 8
const TOLERANCE = 1e-5

/** Largest difference of any token's output from that in its own plain sequence. */
async function worstDifference(context: OpContext, pairs: readonly Lengths[], window: number): Promise<number> {
  const host = attentionLayout(pairs, { window })
  const matrix = (name: string, heads: number) => normal64(name, [host.tokenCount, heads * HEAD_SIZE])
  const query = matrix("query", HEADS.headCount)
  const key = matrix("key", HEADS.keyValueHeadCount)
  const value = matrix("value", HEADS.keyValueHeadCount)
  const upload = (array: Array64, name: string) => uploaded64(context, array, name)
  const inputs = { query: upload(query, "query"), key: upload(key, "key"), value: upload(value, "value") }
  const { output } = attention(context, inputs, uploadAttentionLayout(context, host), HEADS)
  const [actual] = await readback(context, [output])
  const columns = HEADS.headCount * HEAD_SIZE
  let worst = 0
  for (const { places } of unsharedSequences(pairs)) {
    const plain = [{ promptLength: places.length, chosenLength: 0, rejectedLength: 0 }]
    const alone = [query, key, value].map((array) => rowsOf(array, places)) as [Array64, Array64, Array64]
    const expected = attention64(...alone, {
      pairs: plain,
      ...HEADS,
      window: Number.isFinite(window) ? window : undefined,
    })
    places.forEach((token, place) => {
      for (let column = 0; column < columns; column++) {
        const difference = Math.abs(actual![token * columns + column]! - expected.data[place * columns + column]!)
        worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference)
      }
    })
  }
  return worst
}

async function compareRandomPacks(context: OpContext) {
  let checked = 0
  for (const { pairs, window } of randomMicroBatches(10 * PACKS, 11)) {
    const tokens = pairs.reduce((sum, pair) => sum + pair.promptLength + pair.chosenLength + pair.rejectedLength, 0)
    if (tokens > MOST_TOKENS) continue
    const scope = context.memory.openScope()
    try {
      const worst = await worstDifference(context, pairs, window)
      expect(worst, JSON.stringify({ pairs, window })).toBeLessThan(TOLERANCE)
    } finally {
      scope.close()
    }
    if (++checked === PACKS) break
  }
  expect(checked).toBe(PACKS)
}

softwareTest("40 random packs at the edges of tiles give each plain sequence's attention in f64", compareRandomPacks)
gpuTest("40 random packs at the edges of tiles give each plain sequence's attention in f64", compareRandomPacks)

const CHOICES: readonly KernelChoice[] = ["tuned", "portable", "gpu"]
const GRADIENT_PACKS = 12
const GROUPS = [
  { headCount: 2, keyValueHeadCount: 2 },
  { headCount: 2, keyValueHeadCount: 1 },
  { headCount: 4, keyValueHeadCount: 1 },
  { headCount: 6, keyValueHeadCount: 2 },
]

/** Every kernel choice against the f64 twin: output and gradients of one pack, with or without a soft cap. */
async function compareChoices({ gpu }: OpContext, pairs: readonly Lengths[], window: number, n: number): Promise<void> {
  const heads = { ...GROUPS[n % GROUPS.length]!, softCap: n % 3 === 0 ? 1.5 : undefined }
  const host = attentionLayout(pairs, { window })
  const matrix = (name: string, count: number) => normal64(`${name}${n}`, [host.tokenCount, count * HEAD_SIZE])
  const query = matrix("query", heads.headCount)
  const [key, value] = [matrix("key", heads.keyValueHeadCount), matrix("value", heads.keyValueHeadCount)]
  const dOutput = matrix("upstream", heads.headCount)
  const shape = { pairs, ...heads, window: Number.isFinite(window) ? window : undefined }
  const gradients = attentionBackward64(query, key, value, shape, dOutput)
  const expected = [attention64(query, key, value, shape), gradients.query, gradients.key, gradients.value]
  for (const choice of CHOICES) {
    const context = createContext(gpu, choice)
    const upload = (array: Array64, name: string) => uploaded64(context, array, name)
    const inputs = { query: upload(query, "query"), key: upload(key, "key"), value: upload(value, "value") }
    const layout = uploadAttentionLayout(context, host)
    const result = attention(context, inputs, layout, heads)
    const saved = { ...inputs, ...result, dOutput: upload(dOutput, "dOutput") }
    const { dQuery, dKey, dValue } = attentionBackward(context, saved, layout, heads)
    const actual = await readback(context, [result.output, dQuery, dKey, dValue])
    expected.forEach(({ data }, i) => {
      const what = JSON.stringify({ choice, tensor: i, pairs, window, heads })
      expect(relativeError(actual[i]!, data, 0.1), what).toBeLessThan(TOLERANCE)
    })
  }
}

softwareTest(
  "12 random packs with windows, grouped heads and caps agree with f64 in every kernel choice",
  async (context) => {
    let checked = 0
    for (const { pairs, window } of randomMicroBatches(10 * GRADIENT_PACKS, 5)) {
      const tokens = pairs.reduce((sum, pair) => sum + pair.promptLength + pair.chosenLength + pair.rejectedLength, 0)
      if (tokens > MOST_TOKENS || checked === GRADIENT_PACKS) continue
      await compareChoices(context, pairs, window, checked)
      checked++
    }
    expect(checked).toBe(GRADIENT_PACKS)
  },
)
