// How log-probs become calls: in order, none twice, within the bounds that the gateway keeps.
import fc from "fast-check"
import { afterEach, expect, test, vi } from "vitest"
import { PendingScores } from "#gpu-runner/fleet/pending-scores.ts"
import { decodeScores, type HandedScores } from "#shared/wire/handed-scores.ts"
import { LIMITS } from "#shared/wire/limits.ts"

afterEach(() => void vi.useRealTimers())

const pairOf = (number: number, tokens: number): HandedScores => ({
  chosen: new Float32Array(tokens).fill(-number),
  rejected: new Float32Array(1).fill(-number),
})

test("every pair is handed in once, in order, in calls that the gateway takes, however pairs come", () => {
  const tokens = fc.oneof({ weight: 30, arbitrary: fc.integer({ min: 1, max: 50 }) }, fc.constant(300_000))
  const groups = fc.array(fc.array(tokens, { maxLength: 300, size: "max" }), { maxLength: 4 })
  fc.assert(
    fc.property(groups, fc.nat(1000), (sizes, first) => {
      const pending = new PendingScores(first)
      let number = first
      const calls = sizes.flatMap((group) => {
        pending.add(group.map((tokens) => pairOf(number++, tokens)))
        return [...pending.due()]
      })
      calls.push(...pending.rest())
      const seen = calls.flatMap(({ from, bytes }) => {
        expect(bytes.length).toBeLessThanOrEqual(LIMITS.handInBytes)
        const pairs = decodeScores(bytes)
        expect(pairs.every(({ chosen }, index) => chosen[0] === -(from + index))).toBe(true)
        return pairs.map((_, index) => from + index)
      })
      expect(seen).toEqual(Array.from({ length: number - first }, (_, index) => first + index))
    }),
    { numRuns: 10 },
  )
})

test("a call goes when it is full by pairs or by bytes, or when some seconds have gone by", () => {
  vi.useFakeTimers({ toFake: ["performance"] })
  const pending = new PendingScores(0)
  pending.add(Array.from({ length: LIMITS.pairsPerHandIn - 1 }, (_, number) => pairOf(number, 2)))
  expect([...pending.due()]).toEqual([])
  pending.add([pairOf(255, 2), pairOf(256, 2)])
  expect([...pending.due()].map(({ from }) => from)).toEqual([0])
  pending.add([pairOf(257, 300_000)])
  expect([...pending.due()].map(({ from }) => from)).toEqual([256])
  pending.add([pairOf(258, 2)])
  vi.advanceTimersByTime(4999)
  expect([...pending.due()]).toEqual([])
  vi.advanceTimersByTime(1)
  expect([...pending.due()].map(({ from }) => from)).toEqual([258])
})
