// What an event asks of KV and D1 stays below what it may: cutting score jobs out of pages and packing as many never share one, and a snapshot
// asks D1 once for several pages.
import { Effect } from "effect"
import { beforeEach, expect, it } from "vitest"
import type { RetrainPayload } from "#shared/workflows/retrain.ts"
import { Bindings } from "#workers/orchestrator/Environment.ts"
import { takeSnapshot } from "#workers/orchestrator/retrain/snapshot.ts"
import { leaseNext } from "./test-runner.ts"
import {
  addPairs,
  baseFiles,
  bindings,
  DATASET,
  getRun,
  inWorkflowRun,
  startWorld,
  triggerOnce,
  until,
} from "./world.ts"

beforeEach(() => startWorld())

it("what is looked for in KV and what is packed are of two events, also where nothing is left to score", async () => {
  const ids = await addPairs(0, 8)
  await triggerOnce("edge")
  await leaseNext()
  await bindings.DB.prepare("UPDATE datasets SET reference_place = 'runner'").run()
  const key = (await bindings.REFERENCES.list()).keys[0]!.name
  const record = await bindings.REFERENCES.getWithMetadata(key, "arrayBuffer")
  // One record is not seen while the pack is made, and is again when it is looked for.
  const happens: Readonly<Record<string, () => Promise<void>>> = {
    "score/cut/0": () => bindings.REFERENCES.delete(key),
    "pack/0": () => bindings.REFERENCES.put(key, record.value!, { metadata: record.metadata }),
  }
  // The ingest is waited for, so that the hooks are there before the snapshot is taken.
  await bindings.DB.prepare("INSERT INTO outbox (comparison_id, created_at) VALUES (?, 1)").bind(ids[0]).run()
  const runId = await triggerOnce("runner", { config: { seed: 2 } })
  const events: string[][] = [[]]
  await inWorkflowRun(runId, ({ journal }) => {
    const [begin, end] = [journal.beginRun.bind(journal), journal.recordActivity.bind(journal)]
    journal.beginRun = () => {
      events.push([])
      begin()
    }
    journal.recordActivity = (name, attempt, exit) => {
      if (/^score.*cut|^pack\/\d/.test(name)) events.at(-1)!.push(name)
      void happens[name]?.()
      end(name, attempt, exit)
    }
  })
  await bindings.DB.prepare("DELETE FROM outbox").run()
  await until(
    () => getRun(runId),
    ({ step }) => step === "train",
  )
  expect(events.filter(({ length }) => length > 0)).toEqual([
    ["score/cut/0"],
    ["pack/0"],
    ["score-again-0-0/cut/0"],
    ["pack/0/1"],
  ])
})

const payloadOf = (datasetId: string, files: Readonly<Record<string, string>>): RetrainPayload => ({
  ...{ datasetId, key: datasetId, trigger: "api", config: {}, promotion: "never", modelName: "none", createdAt: 0 },
  base: { name: "tiny", version: 1, files },
  gates: { minimumGain: 0, productionTolerance: 0, driftPerToken: 0 },
})

it("a snapshot of three pages asks D1 as often as one of one page", { timeout: 30_000 }, async () => {
  const files = await baseFiles()
  await bindings.DB.prepare(
    `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
     VALUES ('frozen', ?, 'api', 'dpo', 'running', 'snapshot', '{}', 0, 0)`,
  )
    .bind(DATASET)
    .run()
  let asked = 0
  const prepare = (sql: string) => {
    asked += 1
    return bindings.DB.prepare(sql)
  }
  const batch = (statements: D1PreparedStatement[]) => bindings.DB.batch(statements)
  const watched = { ...bindings, DB: { prepare, batch } as unknown as D1Database }
  const queriesOf = async (pairs: number): Promise<number> => {
    asked = 0
    const taking = takeSnapshot(payloadOf(DATASET, files), "frozen").pipe(Effect.provideService(Bindings, watched))
    const { trainPairs, heldOutPairs } = await Effect.runPromise(taking)
    expect(trainPairs + heldOutPairs).toBe(pairs)
    return asked
  }
  await addPairs(0, 8)
  const ofOnePage = await queriesOf(8)
  await addPairs(8, 2100)
  expect(await queriesOf(2100)).toBe(ofOnePage)
})
