// What is sent to the API without a time was said when it arrived: of each thing the last that was sent counts, whether it was said before
// or not, alone or with others, until it is taken back.
import fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import { countingBefore } from "#workers/gateway/storage/settle-comparisons.ts"
import {
  bindings,
  call,
  comparison,
  DATASET,
  newKey,
  type Problem,
  post,
  relaySettled,
  rows,
  startWorld,
} from "./world.ts"

beforeEach(startWorld)

const PATH = `/v1/datasets/${DATASET}/comparisons`
const winner = (choice: string, change: object = {}) => ({ judgement: { kind: "choice", winner: choice }, ...change })
const send = async (choice: string, change: object = {}) =>
  (await post<{ status: string }>(PATH, comparison("row-1", winner(choice, change) as never))).value.status
const retract = (retractions: readonly object[]) =>
  post<{ retracted: number } & Problem>(`${PATH}/retract`, { retractions })

/** external id -> the winner, of what counts. */
const counting = async (): Promise<Record<string, string>> => {
  const live = await rows<{ external_id: string; payload_digest: string; payload_line: number }>(
    "SELECT external_id, payload_digest, payload_line FROM comparisons WHERE status NOT IN ('superseded', 'retracted')",
  )
  const entries = live.map(async ({ external_id: id, payload_digest: digest, payload_line: line }) => {
    const lines = (await (await bindings.BLOBS.get(`blobs/${digest}`))!.text()).split("\n")
    return [id, JSON.parse(lines[line]!).judgement.winner] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

/** Times of arrival are whole milliseconds. */
const later = () => new Promise((resolve) => setTimeout(resolve, 2))

describe("of what has no time", () => {
  it("the last counts, also where it was said before and replaced since", async () => {
    const told = []
    for (const choice of ["a", "b", "a", "a", "b"]) {
      told.push(await send(choice))
      await later()
    }
    expect(told).toEqual(["accepted", "accepted", "accepted", "duplicate", "accepted"])
    expect(await counting()).toEqual({ "row-1": "b" })
    expect(await rows("SELECT status FROM comparisons ORDER BY rowid")).toEqual([
      { status: "superseded" },
      { status: "received" },
    ])
    expect(await rows("SELECT count(*) AS waiting FROM outbox")).toEqual([{ waiting: 2 }])
  })

  it("what has a time of its own is not said again by being sent again", async () => {
    const [early, late] = ["2026-11-24T09:00:00Z", "2026-11-24T10:00:00Z"]
    expect(await send("a", { labelledAt: early })).toBe("accepted")
    expect(await send("b", { labelledAt: late })).toBe("accepted")
    expect(await send("a", { labelledAt: early })).toBe("duplicate")
    expect(await counting()).toEqual({ "row-1": "b" })
  })

  const statement = fc.record({ id: fc.constantFrom("x", "y"), choice: fc.constantFrom("a", "b") })
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.array(statement, { minLength: 1, maxLength: 4 }) },
    { weight: 1, arbitrary: fc.constantFrom("x", "y") },
  )

  it("any sequence of uploads and retractions leaves what was said last of each thing", async () => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
      await startWorld()
      const model = new Map<string, string>()
      for (const said of steps) {
        await later()
        if (typeof said === "string") {
          const { retracted } = (await retract([{ externalId: said }])).value
          expect(retracted).toBe(model.delete(said) ? 1 : 0)
          continue
        }
        const lines = said.map(({ id, choice }) => JSON.stringify(comparison(id, winner(choice) as never)))
        const answer = await call("POST", `${PATH}/bulk`, {
          raw: `${lines.join("\n")}\n`,
          headers: { "content-type": "application/x-ndjson" },
          idempotencyKey: newKey(),
        })
        expect(answer.status).toBe(202)
        for (const { id, choice } of said) model.set(id, choice)
      }
      expect(await counting()).toEqual(Object.fromEntries(model))
    })
    await fc.assert(property, { numRuns: 25, seed: 20261128 })
  }, 60_000)
})

describe("taking back by the API", () => {
  it("ends what was said up to now, counts it, and lets it be said again", async () => {
    await send("a")
    await later()
    expect((await retract([{ externalId: "row-1" }, { externalId: "unknown" }])).value).toEqual({ retracted: 1 })
    expect(await counting()).toEqual({})
    expect((await retract([{ externalId: "row-1" }])).value).toEqual({ retracted: 0 })
    await later()
    expect(await send("a")).toBe("accepted")
    expect(await counting()).toEqual({ "row-1": "a" })
  })

  it("ends what was said up to a time, whichever of the two arrives first, and of that very time what arrived before", async () => {
    const [before, at, after] = [9, 10, 11].map((hour) => `2026-11-24T${hour < 10 ? "0" : ""}${hour}:00:00Z`)
    expect((await retract([{ externalId: "row-1", at }])).value).toEqual({ retracted: 0 })
    await later()
    expect(await send("a", { labelledAt: before })).toBe("retracted")
    expect(await counting()).toEqual({})
    expect(await send("b", { labelledAt: at })).toBe("accepted")
    await later()
    expect((await retract([{ externalId: "row-1", at }])).value).toEqual({ retracted: 1 })
    expect(await counting()).toEqual({})
    await later()
    // The same again, of the same time: it arrived later.
    expect(await send("b", { labelledAt: at })).toBe("accepted")
    expect(await send("a", { labelledAt: after })).toBe("accepted")
    expect((await retract([{ externalId: "row-1", at }])).value).toEqual({ retracted: 0 })
    expect(await counting()).toEqual({ "row-1": "a" })
  })

  it("without a time ends what a clock ahead said too, counts a name once, and takes a time without a zone as UTC", async () => {
    const ahead = new Date(Date.now() + 3_600_000).toISOString()
    expect(await send("a", { labelledAt: ahead })).toBe("accepted")
    const twice = [{ externalId: "row-1" }, { externalId: "row-1" }]
    expect((await retract(twice)).value).toEqual({ retracted: 1 })
    expect(await counting()).toEqual({})
    expect(await send("b", { labelledAt: "2026-11-24T09:00:00" })).toBe("retracted")
    await bindings.DB.prepare("DELETE FROM retractions").run()
    expect(await send("b", { labelledAt: "2026-11-24T09:00:00.000" })).toBe("accepted")
    expect((await retract([{ externalId: "row-1", at: "2026-11-24T08:59:59Z" }])).value).toEqual({ retracted: 0 })
    expect((await retract([{ externalId: "row-1", at: "2026-11-24T09:00:01Z" }])).value).toEqual({ retracted: 1 })
  })

  it("leaves a pair that another states: nothing is derived again", async () => {
    for (const id of ["row-1", "row-2"]) await post(PATH, comparison(id))
    await relaySettled()
    const [first, second] = (await rows<{ id: string }>("SELECT id FROM comparisons ORDER BY external_id")).map(
      ({ id }) => id,
    )
    await bindings.DB.batch([
      bindings.DB.prepare("UPDATE comparisons SET status = 'paired'"),
      bindings.DB.prepare("DELETE FROM outbox"),
      bindings.DB.prepare(
        `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, token_ids, prompt_tokens,
                            chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at)
         VALUES ('p', ?1, ?2, 'ready', 1, 'train', 't', x'00', 1, 1, 1, 'c', 'r', 0)`,
      ).bind(DATASET, first),
      bindings.DB.prepare("INSERT INTO pair_statements VALUES ('p', ?1, 1, 'a', 'b'), ('p', ?2, 0.5, 'y', 'x')").bind(
        first,
        second,
      ),
    ])
    await later()
    await retract([{ externalId: "row-1" }])
    await relaySettled()
    expect(await rows("SELECT comparison_id FROM outbox")).toEqual([])
    expect(
      await rows("SELECT comparison_id, status, votes_for, weight, chosen_candidate, rejected_candidate FROM pairs"),
    ).toEqual([
      {
        ...{ comparison_id: second, status: "ready", votes_for: 1, weight: 0.5 },
        ...{ chosen_candidate: "y", rejected_candidate: "x" },
      },
    ])
  })

  it("looks each name up by its index, however many comparisons there are", async () => {
    const origin = { datasetId: DATASET, source: "api", endpointId: "" } as const
    const names = Array.from({ length: 500 }, (_, index) => `row-${index}`)
    const lines = names.map((name) => JSON.stringify(comparison(name)))
    await call("POST", `${PATH}/bulk`, {
      raw: `${lines.join("\n")}\n`,
      headers: { "content-type": "application/x-ndjson" },
      idempotencyKey: newKey(),
    })
    const [sql, ...parameters] = countingBefore(
      origin,
      names.slice(0, 20).map((externalId) => ({ scope: "annotation" as const, externalId, at: undefined })),
      Date.now(),
    )
    const { results, meta } = await bindings.DB.prepare(sql)
      .bind(...parameters)
      .run<{ counting: number }>()
    expect(results).toEqual([{ counting: 20 }])
    // Seven a name; all 500 would be met with each otherwise.
    expect(meta.rows_read).toBeLessThan(200)
  })

  it("refuses a time that cannot be, nothing at all, and more at once than it takes; nothing is taken back then", async () => {
    await send("a")
    const dated = await retract([{ externalId: "row-1" }, { externalId: "row-2", at: "9999-01-01T00:00:00Z" }])
    expect([dated.status, dated.value.type]).toEqual([422, "urn:yohaku:problem:invalid-comparison"])
    expect(dated.value.detail).toMatch(/^retractions\.1\.at must lie between 1970 and now/)
    expect((await retract([])).status).toBe(400)
    const many = Array.from({ length: 1001 }, (_, index) => ({ externalId: `row-${index}` }))
    expect((await retract(many)).status).toBe(400)
    expect((await retract(many.slice(0, 2))).value).toEqual({ retracted: 1 })
  })

  it("leaves what a labelling tool delivered alone", async () => {
    await send("a")
    await bindings.DB.prepare("UPDATE comparisons SET source = 'label-studio', endpoint_id = 'e'").run()
    expect((await retract([{ externalId: "row-1" }])).value).toEqual({ retracted: 0 })
    expect(await counting()).toEqual({ "row-1": "a" })
  })
})
