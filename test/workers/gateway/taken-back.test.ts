// What counts here is what counts in the tool, whatever happened there and in whatever order news of it arrives: skipped, made a draft
// again, deleted with its task or project, submitted again; each delivery once or twice. Held against a model of the tools. Over 300 lines: the
// model, and the single cases that it once missed.
import fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import {
  argillaEvent,
  deliverPlain,
  deliverSigned,
  type Endpoint,
  labelStudioEvent,
  makeEndpoint,
} from "./deliveries.ts"
import { bindings, call, DATASET, post, relaySettled, rows, startWorld } from "./world.ts"

beforeEach(startWorld)

const SEED = 20261128
const START_MS = Date.parse("2026-11-01T10:00:00Z")
const stampOf = (time: number): string => new Date(START_MS + time * 1_000).toISOString()

/** What a person does to one of a few annotations of a few tasks of one project. */
type Act =
  | { readonly kind: "submit"; readonly annotation: number; readonly choice: 0 | 1 }
  | { readonly kind: "takeBack"; readonly annotation: number; readonly how: 0 | 1 }
  /** What is said now cannot be used: nothing is judged any more, or the responses are the same. */
  | { readonly kind: "spoil"; readonly annotation: number; readonly how: 0 | 1 }
  | { readonly kind: "delete"; readonly annotation: number }
  | { readonly kind: "deleteTask"; readonly task: number }
  | { readonly kind: "deleteProject" }

const ANNOTATIONS = 4
const taskOf = (annotation: number): number => annotation % 2

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      annotation: fc.nat(ANNOTATIONS - 1),
      choice: fc.constantFrom(0 as const, 1 as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("takeBack" as const),
      annotation: fc.nat(ANNOTATIONS - 1),
      how: fc.constantFrom(0 as const, 1 as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("spoil" as const),
      annotation: fc.nat(ANNOTATIONS - 1),
      how: fc.constantFrom(0 as const, 1 as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), annotation: fc.nat(ANNOTATIONS - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("deleteTask" as const), task: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("deleteProject" as const) }) },
)

interface Tool {
  readonly deliver: (endpoint: Endpoint, event: object) => Promise<{ readonly status: number }>
  readonly source: "argilla" | "label-studio"
  /** What the tool sends about an act at a time; `isFirst`: nothing was said of that annotation before. */
  readonly eventOf: (act: Act, time: number, isFirst: boolean) => object
}

const labelStudio: Tool = {
  source: "label-studio",
  deliver: deliverPlain,
  eventOf: (did, time, isFirst) => {
    const project = { id: 2 }
    if (did.kind === "deleteProject") return { action: "PROJECT_DELETED", project }
    if (did.kind === "deleteTask") return { action: "TASKS_DELETED", tasks: [{ id: did.task }], project }
    if (did.kind === "delete") return { action: "ANNOTATIONS_DELETED", annotations: [{ id: did.annotation }], project }
    const isComment = did.kind === "spoil" && did.how === 0
    const result = [
      isComment
        ? { type: "textarea", to_name: "answer1", value: { text: ["hm"] } }
        : {
            type: "pairwise",
            to_name: "answer1,answer2",
            value: { selected: did.kind === "submit" && did.choice === 1 ? "right" : "left" },
          },
    ]
    const task = taskOf(did.annotation)
    const same = did.kind === "spoil" && did.how === 1 ? { answer1: "one", answer2: " one" } : {}
    const event = labelStudioEvent(
      { id: did.annotation, task, result, was_cancelled: did.kind === "takeBack", updated_at: stampOf(time) },
      { action: isFirst ? "ANNOTATION_CREATED" : "ANNOTATION_UPDATED", data: { prompt: `Task ${task}?`, ...same } },
    )
    return { ...event, task: { ...event.task, id: task } }
  },
}

const argilla: Tool = {
  source: "argilla",
  deliver: deliverSigned,
  eventOf: (did, time, isFirst) => {
    const id = (kind: string, number: number) => `${kind}-${number}`
    if (did.kind === "deleteProject") return { type: "dataset.deleted", timestamp: new Date(), data: { id: "d" } }
    if (did.kind === "deleteTask")
      return { type: "record.deleted", timestamp: new Date(), data: { id: id("record", did.task) } }
    const data = { id: id("response", did.annotation), updated_at: stampOf(time) }
    if (did.kind === "delete") return argillaEvent({ type: "response.deleted", data })
    const task = taskOf(did.annotation)
    const status = did.kind === "takeBack" ? (["discarded", "draft"] as const)[did.how] : "submitted"
    const answer = did.kind === "spoil" && did.how === 0 ? { comment: { value: "hm" } } : undefined
    const same = did.kind === "spoil" && did.how === 1 ? { response_a: "one", response_b: " one" } : {}
    const value = did.kind === "submit" && did.choice === 1 ? "response_b" : "response_a"
    const event = argillaEvent({
      type: isFirst ? "response.created" : "response.updated",
      fields: { prompt: `Task ${task}?`, ...same },
      values: answer ?? { preference: { value } },
      data: { ...data, status },
    })
    return { ...event, data: { ...event.data, record: { ...event.data.record, id: id("record", task) } } }
  },
}

/** The tool's own state after what was done, and what it sent. Nothing can be done to what is deleted. */
const happen = (tool: Tool, acts: readonly Act[]) => {
  const submitted = new Map<number, 0 | 1>()
  const seen = new Set<number>()
  const gone = new Set<number>()
  const events: { readonly event: object; readonly status: number }[] = []
  const drop = (annotations: readonly number[]) => {
    for (const annotation of annotations) {
      submitted.delete(annotation)
      gone.add(annotation)
    }
  }
  const all = Array.from({ length: ANNOTATIONS }, (_, index) => index)
  for (const [time, did] of acts.entries()) {
    if ("annotation" in did) {
      if (gone.has(did.annotation) || (did.kind === "delete" && !seen.has(did.annotation))) continue
      const event = tool.eventOf(did, time, !seen.has(did.annotation))
      events.push({ event, status: did.kind === "spoil" ? 422 : 202 })
      seen.add(did.annotation)
      if (did.kind === "submit") submitted.set(did.annotation, did.choice)
      else if (did.kind === "takeBack" || did.kind === "spoil") submitted.delete(did.annotation)
      else drop([did.annotation])
      continue
    }
    events.push({ event: tool.eventOf(did, time, false), status: 202 })
    drop(did.kind === "deleteTask" ? all.filter((annotation) => taskOf(annotation) === did.task) : all)
  }
  const prefix = tool.source === "argilla" ? "response-" : ""
  return { events, counts: new Map([...submitted].map(([annotation, choice]) => [`${prefix}${annotation}`, choice])) }
}

/** external id -> which response won, of what counts here. */
const countsHere = async (endpointId: string): Promise<Map<string, 0 | 1>> => {
  const live = await rows<{ external_id: string; payload_digest: string }>(
    `SELECT external_id, payload_digest FROM comparisons
      WHERE endpoint_id = '${endpointId}' AND status NOT IN ('superseded', 'retracted')`,
  )
  const entries = live.map(async ({ external_id: externalId, payload_digest: digest }) => {
    const { judgement } = JSON.parse(await (await bindings.BLOBS.get(`blobs/${digest}`))!.text())
    return [externalId, /b$|2$/.test(judgement.winner) ? 1 : 0] as const
  })
  return new Map(await Promise.all(entries))
}

/** An order of arrival: some deliveries twice, all of them shuffled. */
const arrivals = (length: number) =>
  fc
    .array(fc.nat(Math.max(0, length - 1)), { maxLength: length === 0 ? 0 : 4 })
    .chain((doubled) =>
      fc.shuffledSubarray([...Array(length).keys(), ...doubled], { minLength: length + doubled.length }),
    )

describe.for([labelStudio, argilla])("what counts here is what counts in $source", (tool) => {
  it("after any acts, whatever the order in which news of them arrives, and however often", async () => {
    const property = fc.asyncProperty(
      fc.array(act, { maxLength: 9 }).chain((acts) => {
        const { events, counts } = happen(tool, acts)
        return arrivals(events.length).map((order) => ({ events, counts, order }))
      }),
      async ({ events, counts, order }) => {
        const endpoint = await makeEndpoint(tool.source)
        for (const index of order) {
          const { event, status } = events[index]!
          expect((await tool.deliver(endpoint, event)).status).toBe(status)
        }
        expect(await countsHere(endpoint.id)).toEqual(counts)
      },
    )
    await fc.assert(property, { numRuns: 40, seed: SEED })
  }, 120_000)
})

const statuses = async () =>
  (await rows<{ status: string }>("SELECT status FROM comparisons ORDER BY rowid")).map(({ status }) => status)

describe("a judgement", () => {
  const submitted = (time: number, changes: object = {}) =>
    labelStudioEvent({ updated_at: stampOf(time), ...changes }, { action: "ANNOTATION_UPDATED" })

  it("counts again when it is submitted again after it was skipped, and is on its way to become pairs", async () => {
    const endpoint = await makeEndpoint("label-studio")
    await deliverPlain(endpoint, submitted(1))
    await deliverPlain(endpoint, submitted(2, { was_cancelled: true }))
    expect((await deliverPlain(endpoint, submitted(3))).value).toEqual({ status: "accepted" })
    expect(await statuses()).toEqual(["retracted", "received"])
    await relaySettled()
    const sent = "SELECT status FROM outbox JOIN comparisons ON id = comparison_id ORDER BY labelled_at"
    expect(await rows(sent)).toEqual([{ status: "retracted" }, { status: "received" }])
  })

  it("counts again where the tool gives no time, when it is said after it was taken back", async () => {
    const endpoint = await makeEndpoint("label-studio")
    const untimed = { updated_at: undefined }
    await deliverPlain(endpoint, submitted(0, untimed))
    await deliverPlain(endpoint, submitted(0, { ...untimed, was_cancelled: true }))
    expect(await statuses()).toEqual(["retracted"])
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect((await deliverPlain(endpoint, submitted(0, untimed))).value).toEqual({ status: "accepted" })
    expect(await statuses()).toEqual(["received"])
  })

  it("that cannot be used any more ends what was said before, and counts when it is sent again after its mapping was mended", async () => {
    const endpoint = await makeEndpoint("label-studio")
    await deliverPlain(endpoint, submitted(1))
    const choice = { type: "choices", from_name: "pick", to_name: "answer1", value: { choices: ["A"] } }
    const refused = await deliverPlain(endpoint, submitted(2, { result: [choice] }))
    expect([refused.status, refused.value.detail]).toEqual([
      422,
      expect.stringMatching(/^The record was labelled "A".* What was said before of the same thing counts no more\.$/),
    ])
    expect(await statuses()).toEqual(["superseded"])
    const [{ digest }] = (await call<{ items: { digest: string }[] }>("GET", `/v1/webhooks/${endpoint.id}/deliveries`))
      .value.items as [{ digest: string }]
    await call("PUT", `/v1/webhooks/${endpoint.id}/mapping`, { json: { labels: { A: "answer1" } } })
    const replayed = await post(`/v1/webhooks/${endpoint.id}/deliveries/${digest}/replay`, undefined)
    expect(replayed.value).toEqual({ status: "accepted" })
    expect(await statuses()).toEqual(["superseded", "received"])
  })

  it("is taken back by a skip under whichever action it comes, also as if it were new", async () => {
    const endpoint = await makeEndpoint("label-studio")
    await deliverPlain(endpoint, submitted(1))
    const skip = labelStudioEvent({ updated_at: stampOf(2), was_cancelled: true }, { action: "ANNOTATION_CREATED" })
    expect((await deliverPlain(endpoint, skip)).value).toEqual({ status: "accepted", reason: "retracted" })
    expect(await statuses()).toEqual(["retracted"])
  })

  it("of its tool's own time is newer than an older one that comes later, though that clock is ahead of ours", async () => {
    const side = (selected: string, aheadMs: number, result?: object[]) =>
      labelStudioEvent(
        {
          updated_at: new Date(Date.now() + 30_000 + aheadMs).toISOString(),
          result: result ?? [{ type: "pairwise", from_name: "pw", to_name: "answer1,answer2", value: { selected } }],
        },
        { action: "ANNOTATION_UPDATED" },
      )
    const newest = side("right", 5000)
    for (const older of [
      side("left", 0),
      side("left", 0, [{ type: "textarea", to_name: "answer1", value: { text: ["hm"] } }]),
    ]) {
      const endpoint = await makeEndpoint("label-studio")
      await deliverPlain(endpoint, newest)
      await deliverPlain(endpoint, older)
      expect(await countsHere(endpoint.id)).toEqual(new Map([["17", 1]]))
      expect((await deliverPlain(endpoint, newest)).value).toEqual({ status: "duplicate" })
    }
  })

  it("that cannot be used ends one of the same millisecond that came before, and not one that comes after", async () => {
    const spoilt = submitted(1, { result: [{ type: "textarea", to_name: "answer1", value: { text: ["hm"] } }] })
    const [first, second] = [await makeEndpoint("label-studio"), await makeEndpoint("label-studio")]
    await deliverPlain(first, submitted(1))
    await new Promise((resolve) => setTimeout(resolve, 5))
    await deliverPlain(first, spoilt)
    expect(await countsHere(first.id)).toEqual(new Map())
    await deliverPlain(second, spoilt)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await deliverPlain(second, submitted(1))
    expect(await countsHere(second.id)).toEqual(new Map([["17", 0]]))
  })

  it("that was stored before endpoints were kept is ended by a version that cannot be used, too, and nothing is told to end where nothing is", async () => {
    const endpoint = await makeEndpoint("label-studio")
    const spoilt = { result: [{ type: "textarea", to_name: "answer1", value: { text: ["hm"] } }] }
    const alone = await deliverPlain(endpoint, submitted(3, { ...spoilt, id: 99 }))
    expect([alone.status, alone.value.detail]).toEqual([422, expect.not.stringContaining("counts no more")])
    await deliverPlain(endpoint, submitted(1))
    await bindings.DB.prepare("UPDATE comparisons SET endpoint_id = ''").run()
    expect((await deliverPlain(endpoint, submitted(2, spoilt))).value.detail).toContain("counts no more")
    expect(await statuses()).toEqual(["superseded"])
  })

  it("of a date that nobody can mean ends nothing that is said later", async () => {
    const endpoint = await makeEndpoint("label-studio")
    const far = { updated_at: "9999-01-01T00:00:00Z" }
    expect((await deliverPlain(endpoint, submitted(0, far))).status).toBe(422)
    await deliverPlain(endpoint, submitted(0, { ...far, id: 18, was_cancelled: true }))
    await new Promise((resolve) => setTimeout(resolve, 5))
    for (const id of [17, 18]) {
      const now = { id, updated_at: new Date().toISOString() }
      expect((await deliverPlain(endpoint, submitted(0, now))).value).toEqual({ status: "accepted" })
    }
  })

  it("does not count where it was said and taken back at one time: the two cannot be told apart", async () => {
    const endpoint = await makeEndpoint("label-studio")
    await deliverPlain(endpoint, submitted(1, { was_cancelled: true }))
    const answer = await deliverPlain(endpoint, submitted(1))
    expect(answer.value).toEqual({ status: "ignored", reason: "it was taken back in the tool after that" })
    expect(await statuses()).toEqual(["retracted"])
  })

  it("is another one when another server of the dataset gives the same id", async () => {
    const [first, second] = [await makeEndpoint("label-studio"), await makeEndpoint("label-studio")]
    const other = labelStudioEvent({ updated_at: stampOf(5) }, { data: { prompt: "Another?" } })
    await deliverPlain(first, submitted(1))
    expect((await deliverPlain(second, other)).value).toEqual({ status: "accepted" })
    expect(await statuses()).toEqual(["received", "received"])
    await deliverPlain(second, { action: "ANNOTATIONS_DELETED", annotations: [{ id: 17 }] })
    expect(await statuses()).toEqual(["received", "retracted"])
  })

  it("that was stored before endpoints were kept is known again by the first endpoint that names it", async () => {
    const endpoint = await makeEndpoint("label-studio")
    await deliverPlain(endpoint, submitted(1))
    await bindings.DB.prepare("UPDATE comparisons SET endpoint_id = ''").run()
    await deliverPlain(endpoint, submitted(2, { was_cancelled: true }))
    expect(await statuses()).toEqual(["retracted"])
  })

  it("that cannot be used any more leaves its pair to those that state it too", async () => {
    const endpoint = await makeEndpoint("label-studio")
    for (const id of [1, 2]) await deliverPlain(endpoint, submitted(1, { id, completed_by: id }))
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
      bindings.DB.prepare("INSERT INTO pair_statements (pair_id, comparison_id) VALUES ('p', ?1), ('p', ?2)").bind(
        first,
        second,
      ),
    ])
    const comment = { type: "textarea", to_name: "answer1", value: { text: ["hm"] } }
    expect((await deliverPlain(endpoint, submitted(2, { id: 1, result: [comment] }))).status).toBe(422)
    await relaySettled()
    expect(await rows("SELECT comparison_id FROM outbox")).toEqual([])
    expect(await rows("SELECT comparison_id, status FROM pairs")).toEqual([{ comparison_id: second, status: "ready" }])
  })

  it("leaves its pair to those that go on stating it, when it is taken back", async () => {
    const endpoint = await makeEndpoint("label-studio")
    for (const id of [1, 2, 3, 4]) await deliverPlain(endpoint, submitted(1, { id, completed_by: id }))
    await relaySettled()
    const ids = (await rows<{ id: string }>("SELECT id FROM comparisons ORDER BY external_id")).map(({ id }) => id)
    const [first, second, third, fourth] = ids
    await bindings.DB.batch([
      bindings.DB.prepare("UPDATE comparisons SET status = 'paired'"),
      bindings.DB.prepare("DELETE FROM outbox"),
      bindings.DB.prepare(
        `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, token_ids, prompt_tokens,
                            chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at)
         VALUES ('shared', ?1, ?2, 'ready', 1, 'train', 't', x'00', 1, 1, 1, 'c', 'r', 0),
                ('other', ?1, ?3, 'ready', 1, 'train', 't', x'00', 1, 1, 1, 'd', 's', 0)`,
      ).bind(DATASET, first, fourth),
      bindings.DB.prepare(
        `INSERT INTO pair_statements (pair_id, comparison_id)
         VALUES ('shared', ?1), ('shared', ?2), ('shared', ?3), ('other', ?4)`,
      ).bind(first, second, third, fourth),
    ])
    await deliverPlain(endpoint, { action: "ANNOTATIONS_DELETED", annotations: [{ id: 1 }, { id: 3 }] })
    const inOrder = "SELECT status FROM comparisons ORDER BY external_id"
    expect((await rows(inOrder)).map(({ status }) => status)).toEqual(["retracted", "paired", "retracted", "paired"])
    expect(await rows("SELECT comparison_id FROM outbox")).toEqual([])
    const shown = "SELECT id, status, comparison_id AS by FROM pairs ORDER BY id"
    expect(await rows(shown)).toEqual([
      { id: "other", status: "ready", by: fourth },
      { id: "shared", status: "ready", by: second },
    ])
    await deliverPlain(endpoint, { action: "ANNOTATIONS_DELETED", annotations: [{ id: 2 }] })
    expect(await rows(shown)).toMatchObject([{ status: "ready" }, { id: "shared", status: "retracted" }])
  })
})
