// The op references against values worked out by hand: compareOp checks their gradients, this checks what they compute.
import { expect, test } from "vitest"
import { adamwStep } from "./adamw.ts"
import { array64, zeros64 } from "./array64.ts"
import { attention } from "./attention.ts"
import { divergenceHead } from "./divergence-head.ts"
import { finiteDifferenceError } from "./finite-differences.ts"
import { geglu, swiglu } from "./gated-activation.ts"
import { collision, entropy, logProbHead } from "./log-prob-head.ts"
import { matmul, transposed } from "./matmul.ts"
import { rmsNorm } from "./rms-norm.ts"
import { rope } from "./rope.ts"
import { addRowBias, addRowBiasBackward } from "./row-bias.ts"
import { gatherRows, gatherRowsBackward } from "./rows.ts"

const A = array64([
  [1, 2, 3],
  [4, 5, 6],
])
const B = array64([
  [1, 0],
  [0, 1],
  [2, -1],
])

test("matmul gives rows times columns in every layout", () => {
  const expected = [7, -1, 16, -1]
  expect([...matmul(A, B).data]).toEqual(expected)
  expect([...matmul(transposed(A), B, { transposeA: true }).data]).toEqual(expected)
  expect([...matmul(A, transposed(B), { transposeB: true }).data]).toEqual(expected)
})

test("rmsNorm of (3, 4) divides by the root of 12.5", () => {
  const output = rmsNorm(array64([[3, 4]]), array64([2, 1]), 0)
  expect(output.data[0]).toBeCloseTo(6 / Math.sqrt(12.5), 14)
  expect(output.data[1]).toBeCloseTo(4 / Math.sqrt(12.5), 14)
})

test("rope turns (1, 0) at position 1 by one radian in the first channel pair", () => {
  const output = rope(array64([[1, 0, 0, 0]]), { positions: Uint32Array.of(1), headSize: 4, theta: 10_000 })
  expect([...output.data]).toEqual([Math.cos(1), 0, Math.sin(1), 0])
})

test("swiglu of gate 1 and up 2 is 2 / (1 + 1/e)", () => {
  expect(swiglu(array64([1]), array64([2])).data[0]).toBeCloseTo(2 / (1 + Math.exp(-1)), 14)
})

test("geglu of gate 1 and up 2 is twice what torch's gelu(1, approximate=tanh) gives, 0.8411919906", () => {
  expect(geglu(array64([1]), array64([2])).data[0]).toBeCloseTo(2 * 0.8411919906082768, 14)
})

test("rmsNorm with weights from 1 multiplies by 1 + weight", () => {
  const output = rmsNorm(array64([[3, 4]]), array64([1, 0]), 0, 1)
  expect([...output.data]).toEqual([6, 4].map((x) => expect.closeTo(x / Math.sqrt(12.5), 14)))
})

test("a bias is added to every row, and its gradient is the column sum", () => {
  expect([...addRowBias(A, array64([10, 20, 30])).data]).toEqual([11, 22, 33, 14, 25, 36])
  expect([...addRowBiasBackward(A).bias.data]).toEqual([5, 7, 9])
})

test("gathering a row twice adds both gradients to it", () => {
  const rows = Uint32Array.of(1, 1)
  expect([...gatherRows(A, rows).data]).toEqual([4, 5, 6, 4, 5, 6])
  expect([...gatherRowsBackward(A, rows, A).data]).toEqual([0, 0, 0, 5, 7, 9])
})

test("with equal scores attention averages exactly the visible values: prompt and own response, never the other response", () => {
  const pairs = [{ promptLength: 2, chosenLength: 1, rejectedLength: 2 }]
  const value = array64([[1], [2], [30], [400], [5000]])
  const shape = { pairs, headCount: 1, keyValueHeadCount: 1 }
  const output = attention(zeros64(5, 1), zeros64(5, 1), value, shape)
  const expected = [1, 3 / 2, 33 / 3, 403 / 3, 5403 / 4]
  expect([...output.data]).toEqual(expected.map((mean) => expect.closeTo(mean, 10)))
})

test("a window of 2 sees a query's own position and the one before it, for rejected tokens across the shared prompt", () => {
  const pairs = [{ promptLength: 2, chosenLength: 1, rejectedLength: 2 }]
  const value = array64([[1], [2], [30], [400], [5000]])
  const shape = { pairs, headCount: 1, keyValueHeadCount: 1, window: 2 }
  const output = attention(zeros64(5, 1), zeros64(5, 1), value, shape)
  expect([...output.data]).toEqual([1, 3 / 2, 32 / 2, 402 / 2, 5400 / 2])
})

test("a soft cap of 1 turns scores 0 and 1 into 0 and tanh 1 before the softmax", () => {
  const pairs = [{ promptLength: 2, chosenLength: 0, rejectedLength: 0 }]
  const query = array64([[1], [1]])
  const shape = { pairs, headCount: 1, keyValueHeadCount: 1, softCap: 1 }
  const output = attention(query, array64([[0], [1]]), array64([[0], [1]]), shape)
  const exponential = Math.exp(Math.tanh(1))
  expect(output.data[1]).toBeCloseTo(exponential / (1 + exponential), 14)
})

test("two query heads of one key-value head read the same keys", () => {
  const pairs = [{ promptLength: 2, chosenLength: 0, rejectedLength: 0 }]
  const query = array64([
    [1, 1],
    [1, 1],
  ])
  const output = attention(query, array64([[0], [1]]), array64([[0], [1]]), {
    pairs,
    headCount: 2,
    keyValueHeadCount: 1,
  })
  const weight = Math.E / (1 + Math.E)
  expect([...output.data]).toEqual([0, 0, expect.closeTo(weight, 14), expect.closeTo(weight, 14)])
})

test("logits 0 and ln 3 give probabilities 1/4 and 3/4", () => {
  const hidden = array64([[1], [1]])
  const weight = array64([[0], [Math.log(3)]])
  const [first, second] = logProbHead(hidden, weight, Uint32Array.of(0, 1)).data
  expect(first).toBeCloseTo(Math.log(0.25), 14)
  expect(second).toBeCloseTo(Math.log(0.75), 14)
  expect(entropy(hidden, weight).data[0]).toBeCloseTo(-0.25 * Math.log(0.25) - 0.75 * Math.log(0.75), 14)
})

test("capped at 2, logits 0 and 2 become 0 and 2 tanh 1; the collision of 1/4 and 3/4 is ln 5/8", () => {
  const hidden = array64([[1]])
  const [capped] = logProbHead(hidden, array64([[0], [2]]), Uint32Array.of(0), 2).data
  expect(capped).toBeCloseTo(-Math.log(1 + Math.exp(2 * Math.tanh(1))), 14)
  expect(collision(hidden, array64([[0], [Math.log(3)]])).data[0]).toBeCloseTo(Math.log(5 / 8), 14)
})

test("a reference of 1/2 and 1/2 diverges from a policy of 1/4 and 3/4 by ln 2 - ln 3 / 2", () => {
  const one = array64([[1]])
  const weight = array64([[0], [Math.log(3)]])
  const inputs = { hidden: one, weight, referenceHidden: one, referenceWeight: array64([[0], [0]]) }
  // (ln (1/2)/(1/4) + ln (1/2)/(3/4)) / 2 = (ln 4 - ln 3) / 2
  expect(divergenceHead(inputs).data[0]).toBeCloseTo((Math.log(4) - Math.log(3)) / 2, 14)
})

test("AdamW's first step is the learning rate, after the decay", () => {
  const state = { parameter: array64([2]), firstMoment: zeros64(1), secondMoment: zeros64(1) }
  adamwStep(state, array64([7]), 1, { learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 0, weightDecay: 0.5 })
  expect(state.parameter.data[0]).toBeCloseTo(2 * 0.95 - 0.1, 12)
})

test("finite differences notice a wrong gradient", () => {
  const forward = ({ x }: { x: typeof A }) => ({ shape: x.shape, data: x.data.map((value) => value ** 2) })
  const ones = { shape: A.shape, data: A.data.map(() => 1) }
  const right = { shape: A.shape, data: A.data.map((value) => 2 * value) }
  const error = (gradient: typeof A) => finiteDifferenceError({ x: A }, forward as never, ones, { x: gradient })
  expect(error(right)).toBeLessThan(1e-9)
  expect(error({ shape: A.shape, data: right.data.map((value) => 1.01 * value) })).toBeGreaterThan(5e-3)
})
