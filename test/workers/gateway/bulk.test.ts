// Uploads of many comparisons or rows: a bad line stops no other, and what a row takes back is taken back. Over 300 lines: every kind of line.
import { beforeEach, describe, expect, it } from "vitest"
import type { BulkReport } from "#shared/api/comparisons.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import {
  bindings,
  call,
  comparison,
  countOf,
  DATASET,
  newKey,
  type Problem,
  rows,
  startWorld,
  stored,
} from "./world.ts"

beforeEach(startWorld)

const PATH = `/v1/datasets/${DATASET}/comparisons/bulk`
const NDJSON = { "content-type": "application/x-ndjson" }

const upload = (raw: BodyInit, idempotencyKey = newKey(), query = "") =>
  call<BulkReport>("POST", `${PATH}${query}`, { raw, headers: NDJSON, idempotencyKey })

const lines = (count: number, from = 0): string =>
  Array.from({ length: count }, (_, index) => `${JSON.stringify(comparison(`row-${from + index}`))}\n`).join("")

/** A body that arrives in pieces of this size, without a stated length. */
const inPieces = (text: string, bytes: number): ReadableStream<Uint8Array> => {
  const all = new TextEncoder().encode(text)
  let offset = 0
  return new ReadableStream({
    pull(controller) {
      if (offset >= all.length) return controller.close()
      controller.enqueue(all.slice(offset, offset + bytes))
      offset += bytes
    },
  })
}

describe("a bulk upload", () => {
  it("stores every line with its outbox row, in batches of one blob each", async () => {
    const before = await stored()
    const answer = await upload(lines(250))
    expect(answer.status).toBe(202)
    expect(answer.value).toEqual({ accepted: 250, duplicates: 0, rejectedLines: 0, rejected: [] })
    expect(await stored()).toEqual({ comparisons: 250, outbox: 250, blobs: before.blobs + 3 })
  })

  it("without a line is refused: the file that was to be sent is another, or not there", async () => {
    const before = await countOf("idempotency")
    for (const empty of ["", "\n", " \n\t\n"]) {
      const refused = await upload(empty)
      expect(refused.status).toBe(400)
      expect((refused.value as unknown as Problem).detail).toBe(
        "The upload holds no line; look at the file that was to be sent.",
      )
    }
    expect(await countOf("idempotency")).toBe(before)
  })

  it("takes a first line behind a byte order mark, comparison or row", async () => {
    expect((await upload(`\ufeff${lines(2)}`)).value).toMatchObject({ accepted: 2, rejectedLines: 0 })
    const row = JSON.stringify({ id: "marked", prompt: "Tea?", chosen: "A drink.", rejected: "A rock." })
    const answer = await upload(`\ufeff${row}\r\n`, newKey(), "?format=rows")
    expect(answer.value).toMatchObject({ accepted: 1, rejectedLines: 0 })
  })

  it("puts each comparison where its row says: blob and line", async () => {
    await upload(lines(120))
    const places = await rows<{ external_id: string; payload_digest: string; payload_line: number }>(
      "SELECT external_id, payload_digest, payload_line FROM comparisons WHERE external_id IN ('row-0', 'row-99', 'row-119')",
    )
    expect(places).toHaveLength(3)
    for (const place of places) {
      const text = await (await bindings.BLOBS.get(`blobs/${place.payload_digest}`))!.text()
      expect(JSON.parse(text.split("\n")[place.payload_line]!).externalId).toBe(place.external_id)
    }
  })

  it("reports bad lines with their numbers and goes on with the rest", async () => {
    const body = [
      JSON.stringify(comparison("row-1")),
      "{ not JSON",
      "",
      JSON.stringify({ ...comparison("row-2"), extra: 1 }),
      JSON.stringify(comparison("row-3", { judgement: { kind: "choice", winner: "c" } })),
      `{"prompt":"${"x".repeat(LIMITS.lineBytes)}"}`,
      `${JSON.stringify(comparison("row-4"))}\r`,
      '{"__proto__":1}',
      JSON.stringify(comparison("row-5")),
    ].join("\n")
    const { value } = await upload(body)
    expect(value).toMatchObject({ accepted: 3, duplicates: 0, rejectedLines: 5 })
    expect(value.rejected.map(({ line, problem }) => [line, problem.status, problem.type.split(":").at(-1)])).toEqual([
      [2, 400, "malformed-json"],
      [4, 400, "invalid-request"],
      [5, 422, "invalid-comparison"],
      [6, 413, "line-too-large"],
      [8, 400, "malformed-json"],
    ])
    expect(value.rejected[2]!.problem.reason).toBe("unknown-candidate")
    expect((await rows("SELECT external_id FROM comparisons ORDER BY 1")).map((row) => row.external_id)).toEqual([
      "row-1",
      "row-4",
      "row-5",
    ])
  })

  it("reads the same whatever the pieces in which it arrives", async () => {
    const body = `${lines(3)}{bad\n${lines(2, 3).trimEnd()}`
    for (const bytes of [1, 7, 1000]) {
      const { value } = await upload(inPieces(body, bytes))
      expect([value.accepted + value.duplicates, value.rejected.map(({ line }) => line)]).toEqual([5, [4]])
    }
    expect(await countOf("comparisons")).toBe(5)
  })

  it("counts what is stored already, and repeats within itself, as duplicates", async () => {
    await upload(lines(10))
    const { value } = await upload(`${lines(12)}${lines(12)}`)
    expect(value).toMatchObject({ accepted: 2, duplicates: 22 })
    expect(await countOf("comparisons")).toBe(12)
  })

  it("keeps only the last of several judgements of one thing", async () => {
    const judged = (winner: string) => JSON.stringify(comparison("row-1", { judgement: { kind: "choice", winner } }))
    const { value } = await upload(`${judged("a")}\n${judged("b")}\n`)
    expect(value).toMatchObject({ accepted: 2, duplicates: 0 })
    const statuses = await rows("SELECT payload_line, status FROM comparisons ORDER BY payload_line")
    expect(statuses).toEqual([
      { payload_line: 0, status: "superseded" },
      { payload_line: 1, status: "received" },
    ])
    expect(await countOf("outbox")).toBe(1)
  })

  it("answers a repeated upload with the stored report, byte for byte", async () => {
    const first = await upload(`${lines(150)}bad\n`, "same")
    const again = await upload(`${lines(150)}bad\n`, "same")
    expect([again.status, again.text]).toEqual([202, first.text])
    expect(again.value.accepted).toBe(150)
    expect(await countOf("comparisons")).toBe(150)
  })

  it("refuses the key of another upload", async () => {
    await upload(lines(1), "same")
    const refused = await upload(lines(2), "same")
    expect([refused.status, (refused.value as unknown as Problem).type]).toEqual([
      422,
      "urn:yohaku:problem:idempotency-key-reused",
    ])
    expect(await countOf("comparisons")).toBe(1)
  })

  it("is finished by sending it again when it died before its report was stored", async () => {
    await upload(lines(200), "same")
    await bindings.DB.prepare("DELETE FROM outbox").run()
    await bindings.DB.prepare("DELETE FROM comparisons WHERE external_id IN ('row-150', 'row-151')").run()
    await bindings.DB.prepare("DELETE FROM idempotency WHERE idempotency_key = 'same'").run()
    const { value } = await upload(lines(200), "same")
    expect(value).toMatchObject({ accepted: 2, duplicates: 198 })
    expect(await countOf("comparisons")).toBe(200)
  })

  it("is refused when less arrives than was stated, and its report is not stored", async () => {
    const short = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(lines(2)))
        controller.close()
      },
    })
    const headers = { ...NDJSON, "content-length": "100000" }
    const answer = await call<Problem>("POST", PATH, { raw: short, headers, idempotencyKey: newKey() }).catch(
      () => undefined,
    )
    expect([undefined, 400]).toContain(answer?.status)
    expect(await rows("SELECT 1 FROM idempotency WHERE body LIKE '%duplicates%'")).toEqual([])
    expect(await countOf("comparisons")).toBe(0)
  })

  it("is refused when it has too many lines, bytes, no key, or is compressed", async () => {
    const tooMany = await upload("\n".repeat(LIMITS.bulkLines + 1))
    expect([tooMany.status, (tooMany.value as unknown as Problem).type]).toEqual([
      413,
      "urn:yohaku:problem:body-too-large",
    ])
    const stated = await upload(new Uint8Array(LIMITS.bulkBodyBytes + 1))
    expect(stated.status).toBe(413)
    expect((await call("POST", PATH, { raw: lines(1), headers: NDJSON })).status).toBe(400)
    const gzip = { raw: lines(1), headers: { ...NDJSON, "content-encoding": "gzip" }, idempotencyKey: newKey() }
    expect((await call("POST", PATH, gzip)).status).toBe(415)
    expect(await countOf("comparisons")).toBe(0)
  })
})

describe("a bulk upload that is refused", () => {
  it("has stored nothing, though its first ten thousand lines were good", async () => {
    const before = await stored()
    const answer = await upload(lines(LIMITS.bulkLines + 1))
    expect([answer.status, (answer.value as unknown as Problem).detail]).toEqual([
      413,
      "A bulk upload has at most 10000 lines, and nothing of this one was stored; send it in parts.",
    ])
    expect(await stored()).toEqual(before)
  })

  it("has stored nothing when it grows over its limit without having stated its length", async () => {
    const before = await stored()
    const line = `${JSON.stringify(comparison("row-1"))}\n`
    const answer = await upload(inPieces(line + " ".repeat(LIMITS.bulkBodyBytes), 1024 * 1024))
    expect(answer.status).toBe(413)
    expect(await stored()).toEqual(before)
  })
})

describe("preference rows", () => {
  it("become comparisons of two candidates with the chosen one as the winner", async () => {
    const row = { id: "r1", prompt: "Why?", chosen: "Because.", rejected: "No." }
    const { value } = await upload(JSON.stringify(row), newKey(), "?format=rows")
    expect(value).toEqual({ accepted: 1, duplicates: 0, rejectedLines: 0, rejected: [] })
    const [place] = await rows<{ payload_digest: string }>("SELECT payload_digest FROM comparisons")
    const text = await (await bindings.BLOBS.get(`blobs/${place!.payload_digest}`))!.text()
    expect(JSON.parse(text)).toEqual({
      externalId: "r1",
      prompt: "Why?",
      candidates: [
        { id: "chosen", response: "Because." },
        { id: "rejected", response: "No." },
      ],
      judgement: { kind: "choice", winner: "chosen" },
    })
  })

  it("come in every accepted shape, and a row that has none is reported with its field", async () => {
    const user = { role: "user", content: "Why?" }
    const says = (content: string) => [{ role: "assistant", content }]
    const body = [
      { prompt: [user], chosen: says("Because."), rejected: says("No.") },
      { chosen: [user, ...says("Because 2.")], rejected: [user, ...says("No.")] },
      { input: { messages: [user] }, preferred_output: says("Because 3."), non_preferred_output: says("No.") },
      { chosen: "\n\nHuman: Why?\n\nAssistant: Because.", rejected: "\n\nHuman: Why?\n\nAssistant: No." },
      { prompt: "Why?", chosen: "Because." },
      { prompt: "Why?", chosen: "Same.", rejected: "Same." },
    ]
    const { value } = await upload(body.map((row) => JSON.stringify(row)).join("\n"), newKey(), "?format=rows")
    expect([value.accepted, value.rejected.map(({ line }) => line)]).toEqual([4, [5, 6]])
    expect(value.rejected[0]!.problem.type).toBe("urn:yohaku:problem:unusable-row")
  })

  it("says a row with its time and its labeller, and takes back what a row states no more, as the import of a file does", async () => {
    const task = (changes: object) =>
      JSON.stringify({
        id: 9,
        data: { prompt: "77?", answer_1: "one", answer_2: "two" },
        annotations: [
          {
            ...{ id: 77, completed_by: 3, was_cancelled: false },
            result: [{ type: "pairwise", from_name: "p", to_name: "answer_1,answer_2", value: { selected: "right" } }],
            ...changes,
          },
        ],
      })
    const left = [{ type: "pairwise", from_name: "p", to_name: "answer_1,answer_2", value: { selected: "left" } }]
    const statuses = () =>
      rows<{ status: string; annotator: string; labelled_at: number }>(
        "SELECT status, annotator, labelled_at FROM comparisons WHERE external_id = '77' ORDER BY labelled_at",
      )
    const send = async (...texts: readonly string[]) => (await upload(texts.join("\n"), newKey(), "?format=rows")).value
    await send(task({ updated_at: "2026-11-22T00:00:00Z" }), task({ updated_at: "2026-11-20T00:00:00Z", result: left }))
    expect(await statuses()).toEqual([
      { status: "superseded", annotator: "3", labelled_at: Date.parse("2026-11-20T00:00:00Z") },
      { status: "received", annotator: "3", labelled_at: Date.parse("2026-11-22T00:00:00Z") },
    ])
    const report = await send(task({ updated_at: "2026-11-23T00:00:00Z", was_cancelled: true }))
    expect(report).toMatchObject({ accepted: 0, retracted: 1, rejectedLines: 1 })
    expect(new Set((await statuses()).map(({ status }) => status))).toEqual(new Set(["retracted"]))
  })

  it("takes the last row of a name for what holds, whether it says something or nothing", async () => {
    const row = (chosen: string) => JSON.stringify({ id: "n1", prompt: "n?", chosen, rejected: "no" })
    const counting = async () =>
      (await rows("SELECT 1 FROM comparisons WHERE external_id = 'n1' AND status NOT IN ('superseded', 'retracted')"))
        .length
    const send = async (...texts: readonly string[]) => (await upload(texts.join("\n"), newKey(), "?format=rows")).value
    expect(await send(row("yes"), row("no"))).toMatchObject({ accepted: 1, retracted: 1, rejectedLines: 1 })
    expect(await counting()).toBe(0)
    expect(await send(row("no"), row("yes!"))).toMatchObject({ accepted: 1, rejectedLines: 1 })
    expect(await counting()).toBe(1)
    expect(await send(row("other"))).toEqual({
      accepted: 1,
      duplicates: 0,
      superseded: 1,
      rejectedLines: 0,
      rejected: [],
    })
    expect(await counting()).toBe(1)
  })

  const took = (name: string, updatedAt?: string) =>
    JSON.stringify({
      ...{
        externalId: name,
        prompt: "p?",
        candidates: [
          { id: "a", response: "one" },
          { id: "b", response: " " },
        ],
      },
      judgement: { kind: "choice", winner: "a" },
      ...(updatedAt === undefined ? {} : { labelledAt: updatedAt }),
    })

  it("of one name take back until the latest time that one of them says, whichever comes first", async () => {
    const [before, after] = ["2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"]
    for (const [index, times] of [
      [before, after],
      [after, before],
      [before, undefined],
    ].entries()) {
      const name = `over-${index}`
      const said = comparison(name, { labelledAt: "2026-03-01T00:00:00Z" })
      expect((await upload(JSON.stringify(said))).value).toMatchObject({ accepted: 1 })
      const { value } = await upload(times.map((time) => took(name, time)).join("\n"), newKey(), "?format=rows")
      expect(value).toMatchObject({ retracted: 1, rejectedLines: 2 })
      expect(await rows(`SELECT status FROM comparisons WHERE external_id = '${name}'`)).toEqual([
        { status: "retracted" },
      ])
    }
  })

  it("that say and take back by turns are stored up to a number of turns; from then on none is, and each is told so", async () => {
    const row = (turn: number) =>
      JSON.stringify({ id: "n1", prompt: "n?", chosen: turn % 2 === 0 ? `yes ${turn}` : "no", rejected: "no" })
    const turns = Array.from({ length: LIMITS.bulkTurns + 1 }, (_, turn) => row(turn))
    const other = JSON.stringify({ id: "n2", prompt: "n?", chosen: "yes", rejected: "no" })
    const whole = await upload(turns.join("\n"), newKey(), "?format=rows")
    expect(whole.value).toMatchObject({ accepted: LIMITS.bulkTurns / 2 + 1, rejectedLines: LIMITS.bulkTurns / 2 })
    expect(await rows("SELECT 1 FROM comparisons WHERE status = 'received'")).toHaveLength(1)
    await bindings.DB.batch(
      ["outbox", "comparisons", "retractions"].map((table) => bindings.DB.prepare(`DELETE FROM ${table}`)),
    )
    const { value } = await upload([...turns, row(LIMITS.bulkTurns + 1), other].join("\n"), newKey(), "?format=rows")
    expect(value).toMatchObject({ accepted: LIMITS.bulkTurns / 2 + 1, rejectedLines: LIMITS.bulkTurns / 2 + 2 })
    expect(value.rejected.slice(-2)).toMatchObject([
      {
        line: LIMITS.bulkTurns + 2,
        problem: { status: 400, detail: expect.stringMatching(/by turns more than 100 times/) },
      },
      { line: LIMITS.bulkTurns + 3, problem: { status: 400 } },
    ])
    expect(await rows("SELECT external_id FROM comparisons WHERE status = 'received'")).toEqual([{ external_id: "n1" }])
  })
})
