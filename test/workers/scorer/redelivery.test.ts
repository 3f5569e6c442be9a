// Queues deliver at least once and in no order. Whatever the schedule, the stores end as after one delivery in order.
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Environment } from "#workers/scorer/Environment.ts"
import { bindings, choice, comparisonStates, deliver, outbox, pairs, receiveLines, startWorld } from "./world.ts"

const LINES = [
  JSON.stringify(choice("hello", "the", "an", "0")),
  JSON.stringify(choice("hello", "an", "the", "1")),
  JSON.stringify(choice("hello", "he ".repeat(3000), "he", "2")),
  "{broken",
  JSON.stringify({ ...choice("hello", "the", "and", "4"), judgement: { kind: "tie" } }),
  JSON.stringify(choice("another", "the", "an", "5")),
]

const SCHEDULES = 12

interface Delivery {
  /** Which comparisons, in this order, doubles included. */
  readonly lines: readonly number[]
  /** What breaks while it is processed. */
  readonly fault: "none" | "payload" | "commit"
}

const delivery: fc.Arbitrary<Delivery> = fc.record({
  lines: fc.array(fc.nat(LINES.length - 1), { minLength: 1, maxLength: 8 }),
  fault: fc.constantFrom("none", "none", "payload", "commit"),
})

const refuse = () => Promise.reject(new Error("unreachable"))

const environmentWith = (fault: Delivery["fault"]): Environment => {
  if (fault === "payload") return { ...bindings, BLOBS: { get: refuse, head: refuse } as unknown as R2Bucket }
  if (fault === "none") return bindings
  let batches = 0
  const batch = (statements: D1PreparedStatement[]) => (++batches > 1 ? refuse() : bindings.DB.batch(statements))
  const prepare = (sql: string) => bindings.DB.prepare(sql)
  return { ...bindings, DB: { batch, prepare } as unknown as D1Database }
}

const finalState = async () => ({
  pairs: (await pairs()).map(({ id, comparison_id, status, split, chosen_digest, rejected_digest }) => [
    ...[id, comparison_id, status, split, chosen_digest, rejected_digest],
  ]),
  states: await comparisonStates(),
  outbox: await outbox(),
  records: (await bindings.REFERENCES.list()).keys,
})

const stateAfter = async (schedule: readonly Delivery[]) => {
  await startWorld()
  const ids = await receiveLines(LINES)
  for (const { lines, fault } of schedule) {
    await deliver(
      lines.map((line) => ids[line]),
      environmentWith(fault),
    )
  }
  await deliver(ids)
  return finalState()
}

describe("any schedule of deliveries", () => {
  it("doubled, shuffled and broken off in the middle, ends as one delivery in order does", async () => {
    const expected = await stateAfter([])
    expect(expected.pairs.length).toBe(4)
    expect(expected.outbox).toEqual([])
    await fc.assert(
      fc.asyncProperty(fc.array(delivery, { maxLength: 5 }), async (schedule) => {
        expect(await stateAfter(schedule)).toEqual(expected)
      }),
      { numRuns: SCHEDULES },
    )
  })
})
