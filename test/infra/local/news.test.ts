import { expect, it } from "vitest"
import { newsSince, type Seen } from "#infra/local/news.ts"
import type { Run } from "#shared/domain/Run.ts"

const run = (id: string, over: Partial<Run>): Run => ({
  id,
  datasetId: "support",
  trigger: "threshold",
  method: "alpha-dpo",
  status: "running",
  step: "snapshot",
  detail: {},
  createdAt: 0,
  updatedAt: 0,
  ...over,
})

const evaluate = {
  baseAccuracy: 0.5,
  accuracy: 0.6875,
  accuracyLow: 0.6,
  accuracyHigh: 0.7,
  driftPerToken: 0.1,
  pairs: 9,
}
const gate = { gate: "gain-over-base", passed: false, value: 0, limit: 0.02, explanation: "0.0 points" }
const promote = { name: "support", version: 2, digest: "d", promoted: true, gates: [] }
const done = { status: "succeeded", step: "done" } as const

it("tells pairs that arrive, each state of a run once, its decision with the gate's reason, and nothing that is old", () => {
  let seen: Seen | undefined
  const told = (readyPairs: number, ...runs: Run[]): string[] => {
    const next = newsSince(seen, { readyPairs, runs })
    seen = next.seen
    return next.news.map(({ text }) => text)
  }
  const old = run("0", { ...done, detail: { promote } })
  const line = (state: string) => [`run 1 (alpha-dpo on support, by threshold): ${state}`]
  expect(told(5, old)).toEqual([])
  expect(told(8, old)).toEqual(["3 pairs arrived, 8 are ready"])
  expect(told(6, old)).toEqual(["2 pairs were taken back or deleted, 6 are ready"])
  expect(told(6, run("1", {}), old)).toEqual(line("started"))
  expect(told(6, run("1", { step: "score" }), old)).toEqual([])
  const waiting = run("1", { step: "train", standing: "no runner has leased it" })
  expect(told(6, waiting, old)).toEqual(line("waits at train: no runner has leased it"))
  const trains = (step: number) => run("1", { step: "train", progress: { step, steps: 40 } })
  expect(told(6, trains(1), old)).toEqual(line("trains, 40 steps"))
  expect(told(6, trains(2), old)).toEqual([])
  expect(told(6, run("1", { step: "evaluate" }), old)).toEqual(line("trained, is judged"))
  expect(told(6, run("1", { step: "compare" }), old)).toEqual(line("trained, its answers are compared"))
  expect(told(6, run("1", { ...done, detail: { evaluate, promote } }), old)).toEqual(
    line("promoted support@2, held-out accuracy 68.8 %"),
  )
  const refused = { ...promote, promoted: false, gates: [gate] }
  expect(told(6, run("2", { ...done, detail: { evaluate, promote: refused } }))).toEqual([
    "run 2 (alpha-dpo on support, by threshold): support@2 not promoted, held-out accuracy 68.8 %; gain-over-base: 0.0 points",
  ])
  expect(told(6, run("3", { status: "failed", step: "train", error: "no memory" }))).toEqual([
    "run 3 (alpha-dpo on support, by threshold): failed at train: no memory",
  ])
})

it("tells once that a run is ready, and that it goes on when its job is handed out again", () => {
  let seen: Seen | undefined = newsSince(undefined, { readyPairs: 0, runs: [] }).seen
  const told = (over: Partial<Run>): string[] => {
    const next = newsSince(seen, { readyPairs: 0, runs: [run("1", over)] })
    seen = next.seen
    return next.news.map(({ text }) => text.replace("run 1 (alpha-dpo on support, by threshold): ", ""))
  }
  const waits = (attempt: number) => `its job "train" waits for a runner (attempt ${attempt} ended: no memory)`
  const progress = { step: 0, steps: 40 }
  const scored = (step: number) => ({ step: "score", progress: { step, steps: 60 } }) as const
  expect(told({ step: "score", standing: waits(1) })).toEqual([`waits at score: ${waits(1)}`])
  expect(told(scored(0))).toEqual(["started"])
  expect(told({ ...scored(0), standing: waits(2) })).toEqual([`waits at score: ${waits(2)}`])
  expect(told(scored(4))).toEqual(["goes on at score"])
  expect(told({ step: "train" })).toEqual(["ready to train"])
  expect(told({ step: "train", standing: waits(1) })).toEqual([`waits at train: ${waits(1)}`])
  expect(told({ step: "train" })).toEqual([])
  expect(told({ step: "train", progress })).toEqual(["trains, 40 steps"])
  expect(told({ step: "train", standing: waits(2) })).toEqual([`waits at train: ${waits(2)}`])
  expect(told({ step: "train", progress })).toEqual(["trains on, 40 steps"])
  expect(told({ step: "evaluate", progress })).toEqual(["trained, is judged"])
})

it("tells once why a run waits, however often the same runner is asked again, and again when the reason is another", () => {
  let seen: Seen | undefined = newsSince(undefined, { readyPairs: 0, runs: [] }).seen
  const told = (over: Partial<Run>): string[] => {
    const next = newsSince(seen, { readyPairs: 0, runs: [run("1", { step: "score", ...over })] })
    seen = next.seen
    return next.news.map(({ text }) => text.replace("run 1 (alpha-dpo on support, by threshold): ", ""))
  }
  const progress = { step: 60, steps: 60 }
  const fetching = { step: 0, steps: 0, message: "fetching model.safetensors from the hub" }
  const away = "the hub does not answer; given to other runners"
  expect(told({ standing: away, progress })).toEqual([`waits at score: ${away}`])
  expect(told({ progress })).toEqual([])
  expect(told({ standing: away, progress })).toEqual([])
  expect(told({ standing: "it needs 16.1 GB", progress })).toEqual(["waits at score: it needs 16.1 GB"])
  expect(told({ progress })).toEqual([])
  expect(told({ standing: "none", progress: fetching })).toEqual(["waits at score: none"])
  expect(told({ progress: fetching })).toEqual([])
  expect(told({})).toEqual([])
  expect(told({ progress: { step: 8, steps: 60 } })).toEqual(["started"])
})

it("tells at the first look only the runs that are under way", () => {
  const runs = [run("2", {}), run("1", { ...done, detail: { promote } })]
  expect(newsSince(undefined, { readyPairs: 9, runs }).news.map(({ text }) => text)).toEqual([
    "run 2 (alpha-dpo on support, by threshold): started",
  ])
})
