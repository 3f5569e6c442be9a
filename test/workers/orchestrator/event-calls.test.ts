// What an event reads of KV stays below what it may: cutting score jobs out of pages and packing as many never share one.
import { beforeEach, expect, it } from "vitest"
import { leaseNext } from "./test-runner.ts"
import { addPairs, bindings, getRun, inWorkflowRun, startWorld, triggerOnce, until } from "./world.ts"

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
