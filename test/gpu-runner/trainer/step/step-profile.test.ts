// The profile of steps from dispatches whose times are given.
import { expect, test } from "vitest"
import type { TimedDispatch } from "#gpu-runner/device/dispatch-timer.ts"
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { describeProfile, profileOf } from "#gpu-runner/trainer/step/step-profile.ts"

const kernelNamed = (name: string): Kernel => ({
  name,
  bindings: [],
  params: {},
  modules: [],
  variants: { plain: {}, only: {} },
})
const matmul = kernelNamed("matmul_subgroup")
const attention = kernelNamed("attention_rows")
const add = kernelNamed("add")

function ran(kernel: Kernel, variant: string, phase: string, startMs: number, endMs: number): TimedDispatch {
  return {
    kernel,
    variant: kernel.variants[variant]!,
    phase,
    startMs,
    endMs,
    tensors: [],
    params: {},
    workgroupCount: 1,
  }
}

// Two steps, the second one like the first; 1 ms between dispatches, 10 ms between steps.
const step = (from: number) => [
  ran(matmul, "plain", "forward", from, from + 4),
  ran(attention, "only", "forward", from + 5, from + 7),
  ran(matmul, "plain", "backward", from + 8, from + 11),
  ran(add, "only", "", from + 12, from + 13),
]
const profile = profileOf([[...step(0), ...step(23)]], 2, "timestamp")

test("is of one step: sums over all steps by their number", () => {
  expect(profile).toMatchObject({ steps: 2, dispatches: 4, busyMs: 10, spanMs: 18, matmulShare: 0.7 })
})

test("does not count what lies between stretches as a step's span", () => {
  expect(profileOf([step(0), step(500)], 2, "timestamp")).toEqual({ ...profile, spanMs: 13 })
})

test("sums by phase, with attention as one of its own, most time first", () => {
  expect(profile.phases).toEqual([
    { phase: "forward", dispatches: 1, ms: 4, share: 0.4 },
    { phase: "backward", dispatches: 1, ms: 3, share: 0.3 },
    { phase: "attention", dispatches: 1, ms: 2, share: 0.2 },
    { phase: "other", dispatches: 1, ms: 1, share: 0.1 },
  ])
})

test("sums by phase, kernel and variant", () => {
  expect(profile.kernels.map(({ phase, kernel, ms }) => [phase, kernel, ms])).toEqual([
    ["forward", "matmul_subgroup.plain", 4],
    ["backward", "matmul_subgroup.plain", 3],
    ["attention", "attention_rows", 2],
    ["other", "add", 1],
  ])
})

test("is printed with each row's share, and as a share of the products alone where that is known", () => {
  const text = describeProfile({ ...profile, gemmMs: 8 })
  expect(text).toContain(
    "profile: 2 steps by timestamps; a step's dispatches take 10.00 ms of 18.00, 70.0 % of it in products",
  )
  expect(text).toMatch(/forward +matmul_subgroup\.plain +1 +4\.00 +40\.0 % +50\.0 %/)
  expect(describeProfile(profile)).not.toContain("products alone")
})

test("says where the clock is the host's", () => {
  expect(describeProfile(profileOf([step(0)], 1, "queue"))).toContain("1 step by the host's clock")
})

test("of no dispatches is all zeros", () => {
  expect(profileOf([], 1, "queue")).toMatchObject({ busyMs: 0, spanMs: 0, matmulShare: 0, phases: [], kernels: [] })
})
