// Passes' timestamps become spans that lie one after another, also where a device takes the first of a pass early.
import { expect, test } from "vitest"
import { spansOf } from "#gpu-runner/device/dispatch-timer.ts"

const stamps = (...milliseconds: readonly number[]) => BigUint64Array.from(milliseconds, (ms) => BigInt(ms * 1e6))

test("passes whose timestamps lie apart keep them", () => {
  expect(spansOf(stamps(1, 3, 4, 6))).toEqual([
    { startMs: 1, endMs: 3 },
    { startMs: 4, endMs: 6 },
  ])
})

test("a pass that is reached while the one before runs starts when that one ends", () => {
  expect(spansOf(stamps(1, 3, 1, 6, 2, 7))).toEqual([
    { startMs: 1, endMs: 3 },
    { startMs: 3, endMs: 6 },
    { startMs: 6, endMs: 7 },
  ])
})

test("the first pass of a command buffer starts after what was read before it", () => {
  expect(spansOf(stamps(2, 5), 4)).toEqual([{ startMs: 4, endMs: 5 }])
})
