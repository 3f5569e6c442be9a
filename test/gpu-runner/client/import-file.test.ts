import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { gzipSync } from "node:zlib"
import { Effect } from "effect"
import { HttpResponse, http } from "msw"
import { setupServer } from "msw/node"
import { afterEach, describe, expect, it } from "vitest"
import { OnAway } from "#gpu-runner/client/call-failure.ts"
import { FileUnreadable, type ImportReport, importFile } from "#gpu-runner/client/import-file.ts"
import { GATEWAY, problem, TOKEN } from "#test/gpu-runner/fleet/gateway-stand-in.ts"

const row = (index: number): string =>
  JSON.stringify({ id: `row-${index}`, prompt: `question ${index}`, chosen: "x".repeat(500), rejected: "worse" })

const fileWith = (name: string, lines: readonly string[]): string => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), "yohaku-")), name)
  const text = lines.join("\n")
  writeFileSync(file, name.endsWith(".gz") ? gzipSync(text) : text)
  return file
}

interface Received {
  readonly key: string
  readonly lines: readonly string[]
}

let close: () => void = () => undefined
afterEach(() => close())

/** A gateway that refuses lines without a "chosen", answers a repeated key as it did before, and fails when told to. */
const gateway = (failures = 0) => {
  const received: Received[] = []
  let left = failures
  const server = setupServer(
    http.post(`${GATEWAY}/v1/datasets/:id/comparisons/bulk`, async ({ request }) => {
      if (left-- > 0) return new HttpResponse(null, { status: 503 })
      const lines = (await request.text()).split("\n").filter((line) => line !== "")
      received.push({ key: request.headers.get("idempotency-key") ?? "", lines })
      const rejected = lines.flatMap((line, index) =>
        line.includes('"judgement"')
          ? []
          : [
              {
                line: index + 1,
                problem: {
                  type: "urn:yohaku:problem:unusable-row",
                  status: 422,
                  title: "unusable",
                  detail: "chosen is missing",
                },
              },
            ],
      )
      return HttpResponse.json(
        { accepted: lines.length - rejected.length, duplicates: 0, rejectedLines: rejected.length, rejected },
        { status: 202 },
      )
    }),
    http.post(`${GATEWAY}/v1/datasets/:id/comparisons/retract`, async ({ request }) => {
      const { retractions } = (await request.json()) as { retractions: object[] }
      received.push({
        key: request.headers.get("idempotency-key") ?? "",
        lines: retractions.map((retraction) => JSON.stringify(retraction)),
      })
      return HttpResponse.json({ retracted: retractions.length }, { status: 202 })
    }),
  )
  server.listen({ onUnhandledFrame: "error" })
  close = () => server.close()
  return received
}

const send = (file: string, onAway: (why: string) => void = () => undefined): Promise<ImportReport> =>
  Effect.runPromise(
    importFile({
      url: GATEWAY,
      token: TOKEN,
      datasetId: "real",
      file,
      format: "rows",
      onProgress: () => undefined,
    }).pipe(Effect.provideService(OnAway, onAway)),
  )

describe("importing a file", () => {
  it("sends every line once, in chunks of whole lines", async () => {
    const received = gateway()
    const lines = Array.from({ length: 20_000 }, (_, index) => row(index))
    const report = await send(fileWith("rows.jsonl", lines))
    expect(report).toEqual({
      lines: 20_000,
      accepted: 20_000,
      duplicates: 0,
      superseded: 0,
      retracted: 0,
      rejected: 0,
      problems: [],
      dropped: {},
      ignoredColumns: [],
    })
    expect(received.length).toBeGreaterThan(1)
    const names = received.flatMap((chunk) => chunk.lines.map((line) => JSON.parse(line).externalId))
    expect(names).toEqual(lines.map((_, index) => `row-${index}`))
  })

  it("asks again at each import, so that no kept answer says accepted of what has been replaced since", async () => {
    const received = gateway()
    const file = fileWith("rows.jsonl.gz", [row(1), row(2)])
    await send(file)
    await send(file)
    expect(received[0]!.lines).toEqual(received[1]!.lines)
    expect(received[0]!.key).not.toBe(received[1]!.key)
  })

  it("counts a refused line where it stands in the file, and sends the rest", async () => {
    gateway()
    const lines = Array.from({ length: 20_000 }, (_, index) =>
      index === 15_000 ? '{"prompt":"p","rejected":"b"}' : row(index),
    )
    const report = await send(fileWith("rows.jsonl", lines))
    expect(report).toMatchObject({
      accepted: 19_999,
      rejected: 1,
      problems: [{ line: 15_001, problem: "chosen is missing; give both responses" }],
    })
  })

  it("waits for a gateway that is away, and says so at every vain call", async () => {
    gateway(2)
    const told: string[] = []
    expect(await send(fileWith("rows.jsonl", [row(1)]), (message) => told.push(message))).toMatchObject({ accepted: 1 })
    expect(told).toHaveLength(2)
  })

  it("sends what each record of every shape and container states at once, by its own name, ties too", async () => {
    const ranked = { id: "n", prompt: "q", responses: ["a", "b", "c"], scores: [3, 2, 1], note: "x" }
    const tie = { id: "t", prompt: "q", responses: ["a", "b"], scores: [1, 1] }
    const candidates = (...responses: readonly string[]) =>
      responses.map((response, index) => ({ id: String(index), response }))
    const rating = (...scores: readonly number[]) => ({ kind: "rating", scores: Object.fromEntries(scores.entries()) })
    const sent = [
      { externalId: "n", prompt: "q", candidates: candidates("a", "b", "c"), judgement: rating(3, 2, 1) },
      { externalId: "t", prompt: "q", candidates: candidates("a", "b"), judgement: rating(1, 1) },
    ].map((comparison) => JSON.stringify(comparison))
    const files = [
      fileWith("rows.jsonl", [JSON.stringify(ranked), JSON.stringify(tie)]),
      fileWith("rows.json", [JSON.stringify([ranked, tie])]),
      fileWith("rows.csv.gz", [
        "id,prompt,responses,scores,note",
        'n,q,"[""a"",""b"",""c""]","[3,2,1]",x',
        't,q,"[""a"",""b""]","[1,1]",',
      ]),
    ]
    for (const file of files) {
      const received = gateway()
      expect(await send(file), file).toMatchObject({
        lines: 2,
        accepted: 2,
        rejected: 0,
        dropped: { tie: 1 },
        ignoredColumns: ["note"],
      })
      expect(received.flatMap((chunk) => chunk.lines)).toEqual(sent)
      close()
    }
    const received = gateway()
    const parquet = path.join(import.meta.dirname, "../data/rows/parquet/ratings.parquet")
    expect(await send(parquet)).toMatchObject({ lines: 1, accepted: 1 })
    expect(JSON.parse(received[0]!.lines[0]!)).toMatchObject({ prompt: "q", judgement: { kind: "rating" } })
  })

  it("takes back by its name what a record said that states nothing any more, as of the tool's time", async () => {
    const received = gateway()
    const records = [
      { id: "same", prompt: "q", chosen: "a", rejected: " a " },
      { id: "blank", prompt: "q", responses: ["", "b"], scores: [2, 1] },
      { id: "kept", prompt: "q", chosen: "a", rejected: "b" },
      {
        id: 1,
        data: { prompt: "q", a: "one", b: "two" },
        annotations: [
          { id: 7, was_cancelled: true, updated_at: "2026-11-01T10:00:00Z", result: [] },
          { id: 8, updated_at: "2026-11-01T10:00:00.500Z", result: [] },
        ],
      },
    ]
    const report = await send(fileWith("records.json", [JSON.stringify(records)]))
    expect(report).toMatchObject({ lines: 4, accepted: 1, retracted: 4, rejected: 0 })
    expect(received[0]!.lines.map((line) => JSON.parse(line).externalId)).toEqual(["kept"])
    expect(received[1]!.lines.map((line) => JSON.parse(line))).toEqual([
      { externalId: "same" },
      { externalId: "blank" },
      { externalId: "7", at: "2026-11-01T10:00:00Z" },
      { externalId: "8", at: "2026-11-01T10:00:00.500Z" },
    ])
    expect(received).toHaveLength(2)
  })

  it("takes back under a key of its own each time, and leaves out names and times that the service does not take", async () => {
    const received = gateway()
    const blank = (id: string) => ({ id, prompt: "q", chosen: "a", rejected: "a" })
    const many = Array.from({ length: 1001 }, (_, index) => blank(`row-${index}`))
    const task = {
      id: 1,
      data: { prompt: "q", a: "one", b: "two" },
      annotations: [{ id: 7, was_cancelled: true, updated_at: "2099-01-01T00:00:00Z", result: [] }],
    }
    const records = [blank("x".repeat(513)), task, ...many]
    const report = await send(fileWith("over.json", [JSON.stringify(records)]))
    expect(report).toMatchObject({ accepted: 0, retracted: 1002 })
    expect(received.map(({ lines }) => lines.length)).toEqual([1000, 2])
    expect(new Set(received.map(({ key }) => key)).size).toBe(2)
    expect(received[0]!.lines[0]).toBe('{"externalId":"7"}')
  })

  it("refuses a second record of one id that says something else, and sends the same again", async () => {
    const received = gateway()
    const rated = (scores: readonly number[]) =>
      JSON.stringify({ id: "n", prompt: "q", responses: ["a", "b", "c"], scores })
    const strong = (value: number) =>
      JSON.stringify({ id: "h", prompt: "q", response_1: "a", response_2: "b", preference_strength: value })
    const gone = JSON.stringify({ id: "n", prompt: "q", responses: ["a", " a "], scores: [2, 1] })
    const lines = [rated([3, 2, 1]), rated([1, 2, 3]), rated([3, 2, 1]), strong(1), strong(2), gone]
    const many = Array.from({ length: 80 }, (_, index) => row(index))
    const report = await send(fileWith("twice.jsonl", [...lines, ...many]))
    expect(report.problems.map(({ line, problem }) => [line, problem])).toEqual([
      [2, 'id "n" belongs to another row at line 1; give every row its own id'],
      [5, 'id "h" belongs to another row at line 4; give every row its own id'],
      [6, 'id "n" belongs to another row at line 1; give every row its own id'],
    ])
    expect(received[0]!.lines.slice(0, 3).map((line) => JSON.parse(line).externalId)).toEqual(["n", "n", "h"])
  })

  it("never sends more lines at once than the gateway takes", async () => {
    const received = gateway()
    const short = (index: number) => `{"id":"${index}","prompt":"q","chosen":"a","rejected":"b"}`
    await send(
      fileWith(
        "short.jsonl",
        Array.from({ length: 25_000 }, (_, index) => short(index)),
      ),
    )
    expect(received.map(({ lines }) => lines.length)).toEqual([10_000, 10_000, 5000])
  })

  it("sends nothing of a file whose rows are bad beyond maxBadShare, and says which", async () => {
    const received = gateway()
    const file = fileWith("bad.jsonl", [row(1), "nonsense", '{"prompt":"p","chosen":"a"}'])
    await expect(send(file)).rejects.toThrow(
      /2 of 3 rows cannot be used, more than maxBadShare \(0\.05\) allows: \S+bad\.jsonl:2: the line is not JSON.* \| \S+bad\.jsonl:3: rejected is missing/,
    )
    await expect(send(file)).rejects.toBeInstanceOf(FileUnreadable)
    expect(received).toEqual([])
  })

  it("says which file it cannot read", async () => {
    gateway()
    await expect(send("/nowhere/rows.jsonl")).rejects.toThrow("/nowhere/rows.jsonl: there is no such file")
    await expect(send("/nowhere/rows.jsonl")).rejects.toBeInstanceOf(FileUnreadable)
  })

  it("ends with the gateway's words when it refuses the file", async () => {
    const server = setupServer(
      http.post(`${GATEWAY}/v1/datasets/:id/comparisons/bulk`, () =>
        problem("dataset-not-found", 404, "there is no dataset real; create it first"),
      ),
    )
    server.listen()
    close = () => server.close()
    await expect(send(fileWith("rows.jsonl", [row(1)]))).rejects.toMatchObject({
      _tag: "CallRefused",
      status: 404,
      message: "there is no dataset real; create it first",
    })
  })
})
