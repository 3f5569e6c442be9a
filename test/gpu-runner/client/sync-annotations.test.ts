import { Effect } from "effect"
import { HttpResponse, http } from "msw"
import { setupServer } from "msw/node"
import { afterEach, describe, expect, it } from "vitest"
import { OnAway } from "#gpu-runner/client/call-failure.ts"
import { SyncRefused, type SyncReport, syncAnnotations } from "#gpu-runner/client/sync-annotations.ts"
import { ToolUnreadable } from "#gpu-runner/client/tool-annotations.ts"
import type { LabellingTool } from "#shared/domain/WebhookEndpoint.ts"
import { GATEWAY, problem, TOKEN } from "#test/gpu-runner/fleet/gateway-stand-in.ts"

const TOOL = "https://tool.test"
const TOOL_TOKEN = "key-of-the-tool"
const at = (minute: number) => `2026-11-01T10:${String(minute).padStart(2, "0")}:00.000000Z`

let close: () => void = () => undefined
afterEach(() => {
  close()
  close = () => undefined
})

interface Stored {
  readonly externalId: string
  readonly minute?: number
  readonly status?: string
  readonly toolProject?: string
}

const ENDPOINT = { id: "e1", datasetId: "support", mapping: {}, createdAt: 0 }

/** A gateway with some comparisons of one endpoint, that notes what is handed in; and a tool that answers from its pages. */
const world = (
  source: LabellingTool,
  stored: readonly Stored[],
  tool: Parameters<typeof setupServer>,
  endpoints = 1,
  gateway: Parameters<typeof setupServer> = [],
) => {
  const handedIn: Record<string, unknown>[] = []
  const items = stored.map(({ externalId, minute, status = "paired", toolProject = "2" }) => ({
    ...{ id: externalId, source, externalId, judgementKind: "choice", status, receivedAt: 0, endpointId: "e1" },
    ...{ toolProject, ...(minute === undefined ? {} : { labelledAt: Date.parse(at(minute)) }) },
  }))
  const server = setupServer(
    ...gateway,
    http.get(`${GATEWAY}/v1/datasets/support/webhooks`, () =>
      HttpResponse.json({
        items: Array.from({ length: endpoints }, (_, index) => ({ ...ENDPOINT, id: `e${index + 1}`, source })),
      }),
    ),
    // Two pages, so that a reader of the first alone is found out.
    http.get(`${GATEWAY}/v1/datasets/support/comparisons`, ({ request }) => {
      const query = new URL(request.url).searchParams
      expect(query.get("endpoint")).toBe("e1")
      return query.has("cursor")
        ? HttpResponse.json({ items: items.slice(1) })
        : HttpResponse.json({ items: items.slice(0, 1), nextCursor: "next" })
    }),
    http.post(`${GATEWAY}/v1/webhooks/e1/deliveries`, async ({ request }) => {
      handedIn.push((await request.json()) as Record<string, unknown>)
      return HttpResponse.json({ status: "accepted" }, { status: 202 })
    }),
    ...tool,
  )
  server.listen({ onUnhandledFrame: "error" })
  close = () => server.close()
  return handedIn
}

const sync = (
  source: LabellingTool,
  changes: object = {},
  onAway: (why: string) => void = () => undefined,
): Promise<SyncReport> =>
  Effect.runPromise(
    syncAnnotations({
      url: GATEWAY,
      token: TOKEN,
      datasetId: "support",
      source,
      endpointId: undefined,
      tool: { url: TOOL, token: TOOL_TOKEN, project: "2" },
      isDryRun: false,
      allowsEmpty: false,
      ...changes,
    }).pipe(Effect.provideService(OnAway, onAway)),
  )

const pairwise = (selected: string) => [{ type: "pairwise", to_name: "answer1,answer2", value: { selected } }]

const annotation = (id: number, minute: number, changes: object = {}) => ({
  ...{ id, result: pairwise("left"), was_cancelled: false, completed_by: 3, updated_at: at(minute), ...changes },
})

const labelStudioTasks = (tasks: readonly (readonly object[])[]) =>
  http.get(`${TOOL}/api/tasks`, ({ request }) => {
    expect(request.headers.get("authorization")).toBe(`Token ${TOOL_TOKEN}`)
    const query = new URL(request.url).searchParams
    expect([query.get("project"), query.get("fields")]).toEqual(["2", "all"])
    const page = Number(query.get("page"))
    const all = tasks.map((annotations, id) => ({
      ...{ id, annotations, data: { prompt: `${id}?`, answer1: "one", answer2: "two" } },
    }))
    return HttpResponse.json({ tasks: all.slice((page - 1) * 100, page * 100), total: all.length })
  })

describe("a sync with Label Studio", () => {
  const stored = [
    { externalId: "1", minute: 1 },
    { externalId: "2", minute: 1 },
    { externalId: "3", minute: 1 },
    { externalId: "4", minute: 1 },
    { externalId: "5", minute: 1, status: "retracted" },
    { externalId: "6", minute: 1, toolProject: "another" },
  ]
  const tasks = [
    [annotation(1, 1), annotation(2, 2)],
    [annotation(3, 2, { was_cancelled: true }), annotation(5, 1), annotation(7, 1, { was_cancelled: true })],
    ...Array.from({ length: 120 }, () => []),
    [
      annotation(8, 1),
      annotation(9, 1, { result: [{ from_name: "kind", to_name: "prompt", type: "taxonomy", value: {} }] }),
    ],
  ]

  it("hands in what never arrived, takes back what was skipped or deleted, and leaves the rest", async () => {
    const handedIn = world("label-studio", stored, [labelStudioTasks(tasks)])
    expect(await sync("label-studio")).toEqual({
      annotations: 7,
      missing: 3,
      takenBack: 1,
      deleted: 1,
      unusable: 1,
      uncounted: 0,
      problems: [expect.stringMatching(/^9: /)],
    })
    expect(
      handedIn.map(({ action, annotation: one, annotations }) => [action, (one as Stored) ?? annotations]),
    ).toEqual([
      ["ANNOTATIONS_DELETED", [{ id: "4" }]],
      ["ANNOTATION_UPDATED", annotation(3, 2, { was_cancelled: true })],
      ["ANNOTATION_UPDATED", annotation(2, 2)],
      ["ANNOTATION_UPDATED", annotation(5, 1)],
      ["ANNOTATION_UPDATED", annotation(8, 1)],
    ])
    expect(handedIn.at(-1)).toMatchObject({
      task: { id: 122, data: { prompt: "122?", answer1: "one", answer2: "two" } },
      project: { id: 2 },
    })
  })

  it("hands in what was changed into what cannot be used, so that what it said before ends, and tells it once", async () => {
    const comment = { from_name: "note", to_name: "answer1", type: "textarea", value: { text: ["hm"] } }
    const spoilt = [annotation(1, 2, { result: [comment] }), annotation(2, 1, { result: [comment] })]
    const refused = (status: number) =>
      http.post(`${GATEWAY}/v1/webhooks/e1/deliveries`, async ({ request }) => {
        seen.push(((await request.json()) as { annotation: { id: number } }).annotation.id)
        return problem(status === 422 ? "unusable-delivery" : "forbidden", status, "no")
      })
    const seen: number[] = []
    const known = stored.slice(0, 2)
    for (const [status, problems] of [
      [422, 2],
      [403, 3],
    ] as const) {
      seen.length = 0
      world("label-studio", known, [labelStudioTasks([spoilt])], 1, [refused(status)])
      const report = await sync("label-studio")
      expect(report).toMatchObject({ annotations: 2, missing: 0, takenBack: 1, deleted: 0, unusable: problems })
      // The second is as old as what is stored of it.
      expect(seen).toEqual([1])
      close()
      close = () => undefined
    }
  })

  it("takes back nothing that a page hid because the tool's list changed while it was read", async () => {
    // Of 120 tasks one goes away, after page 1 was read: the first of page 2 is then in page 1, and was never seen.
    const many = Array.from({ length: 120 }, (_, id) => ({ externalId: String(id + 1), minute: 1 }))
    let tasks = many.map(({ externalId }) => [annotation(Number(externalId), 1)])
    let reads = 0
    const shifting = http.get(`${TOOL}/api/tasks`, ({ request }) => {
      const page = Number(new URL(request.url).searchParams.get("page"))
      if (++reads === 2) tasks = tasks.slice(1)
      const all = tasks.map((annotations, id) => ({
        id,
        annotations,
        data: { prompt: "?", answer1: "1", answer2: "2" },
      }))
      return HttpResponse.json({ tasks: all.slice((page - 1) * 100, page * 100), total: all.length })
    })
    const handedIn = world("label-studio", many, [shifting])
    expect(await sync("label-studio")).toMatchObject({ annotations: 119, missing: 0, deleted: 1, problems: [] })
    expect(handedIn).toEqual([{ action: "ANNOTATIONS_DELETED", annotations: [{ id: "1" }] }])
  })

  it("deletes nothing where no two readings agree", async () => {
    const stored = Array.from({ length: 9 }, (_, id) => ({ externalId: String(id + 1), minute: 1 }))
    let reads = 0
    const unsteady = http.get(`${TOOL}/api/tasks`, () => {
      const annotations = stored.slice(++reads).map(({ externalId }) => annotation(Number(externalId), 1))
      return HttpResponse.json({ tasks: [{ id: 1, annotations, data: {} }], total: 1 })
    })
    const handedIn = world("label-studio", stored, [unsteady])
    await expect(sync("label-studio")).rejects.toThrow("the tool's list changed in each of 5 readings")
    expect(handedIn).toEqual([])
  })

  it("tells what was handed in and yet does not count", async () => {
    const answers = http.post(`${GATEWAY}/v1/webhooks/e1/deliveries`, () =>
      HttpResponse.json({ status: "ignored", reason: "it was taken back in the tool after that" }, { status: 202 }),
    )
    world("label-studio", [], [labelStudioTasks([[annotation(8, 1)]])], 1, [answers])
    expect(await sync("label-studio")).toMatchObject({
      ...{ annotations: 1, missing: 1, unusable: 0, uncounted: 1 },
      problems: [expect.stringContaining("8: was handed in and changes nothing here: it was taken back in the tool")],
    })
  })

  it("changes nothing in a dry run", async () => {
    const handedIn = world("label-studio", stored, [labelStudioTasks(tasks)])
    expect(await sync("label-studio", { isDryRun: true })).toMatchObject({ missing: 3, takenBack: 1, deleted: 1 })
    expect(handedIn).toEqual([])
  })

  it("is refused where the project looks empty, unless that is meant", async () => {
    const handedIn = world("label-studio", stored, [labelStudioTasks([[]])])
    await expect(sync("label-studio")).rejects.toThrow(SyncRefused)
    expect(handedIn).toEqual([])
    expect(await sync("label-studio", { allowsEmpty: true })).toMatchObject({ annotations: 0, deleted: 4 })
  })

  it("changes a personal access token into a short one", async () => {
    const token = "head.payload.signature"
    const server = [
      http.post(`${TOOL}/api/token/refresh`, async ({ request }) => {
        expect(await request.json()).toEqual({ refresh: token })
        return HttpResponse.json({ access: "short" })
      }),
      http.get(`${TOOL}/api/tasks`, ({ request }) => {
        expect(request.headers.get("authorization")).toBe("Bearer short")
        return HttpResponse.json({ tasks: [], total: 0 })
      }),
    ]
    world("label-studio", [], server)
    expect(await sync("label-studio", { tool: { url: TOOL, token, project: "2" } })).toMatchObject({ annotations: 0 })
  })

  it("waits for a gateway that is away, and tells why", async () => {
    let calls = 0
    const away = http.get(`${GATEWAY}/v1/datasets/support/webhooks`, () =>
      calls++ === 0 ? problem("unavailable", 503, "the orchestrator does not answer") : undefined,
    )
    world("label-studio", [], [labelStudioTasks([])], 1, [away])
    const told: string[] = []
    expect(await sync("label-studio", {}, (why) => told.push(why))).toMatchObject({ annotations: 0 })
    expect(told).toEqual(["the orchestrator does not answer"])
  })

  it("fails with the tool's address where it does not answer, and with the endpoints where several fit", async () => {
    world("label-studio", [], [http.get(`${TOOL}/api/tasks`, () => new HttpResponse(null, { status: 404 }))], 2)
    await expect(sync("label-studio")).rejects.toThrow("name one with --endpoint: e1, e2")
    await expect(sync("label-studio", { endpointId: "e1" })).rejects.toThrow(ToolUnreadable)
    await expect(sync("label-studio", { endpointId: "e1" })).rejects.toThrow(/^https:\/\/tool\.test.*answers 404/)
    await expect(sync("label-studio", { endpointId: "none" })).rejects.toThrow("has no such endpoint of label-studio")
  })
})

describe("a sync with Argilla", () => {
  const response = (id: string, minute: number, changes: object = {}) => ({
    ...{
      id,
      status: "submitted",
      user_id: "u1",
      values: { q: { value: "response_b" } },
      updated_at: at(minute),
      ...changes,
    },
  })
  const records = http.get(`${TOOL}/api/v1/datasets/2/records`, ({ request }) => {
    expect(request.headers.get("x-argilla-api-key")).toBe(TOOL_TOKEN)
    const query = new URL(request.url).searchParams
    expect([query.get("include"), query.get("offset")]).toEqual(["responses", "0"])
    const fields = { prompt: "?", response_a: "one", response_b: "two" }
    return HttpResponse.json({
      items: [
        { id: "r1", fields, metadata: {}, responses: [response("a", 1), response("b", 3)] },
        { id: "r2", fields, metadata: {}, responses: [response("c", 2, { status: "draft" }), response("d", 1)] },
        { id: "r3", fields, metadata: {}, responses: [] },
      ],
      total: 3,
    })
  })

  it("hands in and takes back as with its webhooks, each response with its record", async () => {
    const stored = ["a", "b", "c", "gone"].map((externalId) => ({ externalId, minute: 1 }))
    const handedIn = world("argilla", stored, [records])
    expect(await sync("argilla")).toEqual({
      ...{ annotations: 4, missing: 2, takenBack: 1, deleted: 1, unusable: 0, uncounted: 0, problems: [] },
    })
    const said = handedIn.map(({ type, data }) => [type, (data as { id: string }).id])
    expect(said).toEqual([
      ["response.deleted", "gone"],
      ["response.updated", "c"],
      ["response.updated", "b"],
      ["response.updated", "d"],
    ])
    expect(handedIn.at(-1)).toMatchObject({
      data: { status: "submitted", record: { id: "r2", fields: { prompt: "?" }, dataset: { id: "2" } } },
    })
  })
})
