// A run from its trigger to a promoted adapter, over real objects and stores.
import { beforeEach, describe, expect, it } from "vitest"
import { decodePack, packPair } from "#shared/formats/pack.ts"
import { LEARNED, work } from "./test-runner.ts"
import {
  addPairs,
  bindings,
  DATASET,
  finished,
  orchestrator,
  readBlob,
  startWorld,
  triggerOnce,
  valueIn,
} from "./world.ts"

beforeEach(() => startWorld())

describe("a run of Retrain", () => {
  it("freezes, scores, packs, trains, evaluates and promotes", async () => {
    const ids = await addPairs(0, 200)
    const runId = await triggerOnce("first")
    expect(await work(2)).toEqual([`${runId}-train`, `${runId}-evaluate`])
    const run = await finished(runId)
    expect(run).toMatchObject({ status: "succeeded", step: "done", trigger: "api", method: "alpha-dpo" })
    expect(run.detail.snapshot).toMatchObject({ trainPairs: 150, heldOutPairs: 50 })
    expect(run.detail.score).toEqual({ computed: 400, fromCache: 0 })
    const pack = decodePack(await readBlob(run.detail.pack!.digest))
    expect(pack.pairIds).toEqual([...ids].sort())
    expect(pack.meta.snapshot).toBe(run.detail.snapshot!.digest)
    expect(run.detail.pack).toMatchObject({ tokens: 200 * 12 })
    const first = packPair(pack, 0)
    expect(Array.from(first.referenceLogProbs!.chosen)).toHaveLength(4)
    const { evaluate, promote } = run.detail
    expect(evaluate!.pairs).toBe(50)
    expect(evaluate!.accuracy).toBeGreaterThan(evaluate!.baseAccuracy + 0.2)
    // k3 of a constant shift d is e^d − 1 − d: 4 chosen tokens to 5 rejected ones.
    const k3 = (d: number) => Math.exp(d) - 1 - d
    expect(evaluate!.klPerToken).toBeCloseTo((4 * k3(LEARNED.chosen) + 5 * k3(LEARNED.rejected)) / 9, 5)
    expect(promote).toMatchObject({ name: DATASET, version: 1, promoted: true })
    expect(promote!.gates.map(({ gate, passed }) => [gate, passed])).toEqual([
      ["finite", true],
      ["gain-over-base", true],
      ["drift", true],
    ])
    const channels = valueIn(await orchestrator.channels(DATASET))
    expect(channels.map(({ channel, version }) => [channel, version])).toEqual([
      ["candidate", 1],
      ["production", 1],
    ])
    const model = await bindings.DB.prepare("SELECT * FROM models WHERE name = ?").bind(DATASET).first()
    expect(model).toMatchObject({ version: 1, kind: "adapter", run_id: runId, base_name: "tiny", base_version: 1 })
  })
})
