import { beforeEach, describe, expect, it } from "vitest"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { deliverPlain, type Endpoint, labelStudioEvent, makeEndpoint } from "./deliveries.ts"
import { bindings, type Problem, rows, startWorld, stored } from "./world.ts"

let endpoint: Endpoint

beforeEach(async () => {
  await startWorld()
  endpoint = await makeEndpoint("label-studio", { task: "setting" }, "a-secret-of-label-studio")
})

const lastPayload = async (): Promise<Comparison> => {
  const [row] = await rows<{ payload_digest: string }>(
    "SELECT payload_digest FROM comparisons ORDER BY rowid DESC LIMIT 1",
  )
  return JSON.parse(await (await bindings.BLOBS.get(`blobs/${row!.payload_digest}`))!.text())
}

const statuses = async () =>
  (await rows<{ status: string }>("SELECT status FROM comparisons ORDER BY rowid")).map(({ status }) => status)

const pairwise = (selected: string) => ({ type: "pairwise", to_name: "answer1,answer2", value: { selected } })
const choice = (...choices: string[]) => ({ type: "choices", to_name: "prompt", value: { choices } })
const rating = (to_name: string, value: number) => ({ type: "rating", to_name, value: { rating: value } })

describe("a Label Studio annotation", () => {
  it("becomes a choice between the two compared fields", async () => {
    const answer = await deliverPlain(endpoint, labelStudioEvent())
    expect([answer.status, answer.value]).toEqual([202, { status: "accepted" }])
    expect(await lastPayload()).toEqual({
      externalId: "17",
      prompt: "Why is tea hot?",
      candidates: [
        { id: "answer1", response: "Because…" },
        { id: "answer2", response: "It is not." },
      ],
      judgement: { kind: "choice", winner: "answer1" },
      annotator: "3",
      task: "support",
      labelledAt: "2026-11-01T10:00:00.000000Z",
    })
  })

  it("is read by its results: right side, tie, mapped label, ratings", async () => {
    const mapped = await makeEndpoint("label-studio", {
      responses: ["answer1", "answer2"],
      labels: { "Neither is better": "tie", "The second": "answer2" },
    })
    const cases = [
      [endpoint, [pairwise("right")], { kind: "choice", winner: "answer2" }],
      [endpoint, [pairwise("left"), choice("tie")], { kind: "tie" }],
      [mapped, [pairwise("left"), choice("Neither is better")], { kind: "tie" }],
      [mapped, [choice("The second")], { kind: "choice", winner: "answer2" }],
      [endpoint, [rating("answer1", 2), rating("answer2", 5)], { kind: "rating", scores: { answer1: 2, answer2: 5 } }],
    ] as const
    for (const [index, [target, result, judgement]] of cases.entries()) {
      const answer = await deliverPlain(target, labelStudioEvent({ id: 100 + index, result }))
      expect(answer.value).toEqual({ status: "accepted" })
      expect((await lastPayload()).judgement).toEqual(judgement)
    }
  })

  it("is a duplicate when delivered again, superseded when updated, retracted when deleted", async () => {
    await deliverPlain(endpoint, labelStudioEvent())
    expect((await deliverPlain(endpoint, labelStudioEvent())).value).toEqual({ status: "duplicate" })
    const changed = { result: [pairwise("right")], updated_at: "2026-11-01T11:00:00Z" }
    await deliverPlain(endpoint, labelStudioEvent(changed, { action: "ANNOTATION_UPDATED" }))
    expect(await statuses()).toEqual(["superseded", "received"])
    const deleted = await deliverPlain(endpoint, {
      action: "ANNOTATIONS_DELETED",
      annotations: [{ id: 17 }],
      project: {},
    })
    expect(deleted.value).toEqual({ status: "accepted", reason: "retracted" })
    expect(await statuses()).toEqual(["retracted", "retracted"])
    const single = await deliverPlain(endpoint, { action: "ANNOTATION_DELETED", annotation: { id: 99 } })
    expect(single.value).toEqual({ status: "ignored", reason: "nothing of it is stored" })
  })

  it("is ignored when it was cancelled or is another kind of event", async () => {
    const before = await stored()
    const cancelled = await deliverPlain(endpoint, labelStudioEvent({ was_cancelled: true, result: [] }))
    expect(cancelled.value).toEqual({ status: "ignored", reason: "nothing of it is stored" })
    const other = await deliverPlain(endpoint, { action: "TASKS_CREATED", tasks: [] })
    expect(other.value).toEqual({ status: "ignored", reason: "TASKS_CREATED carries no judgement" })
    expect(await stored()).toEqual(before)
  })

  it("is refused with the mend when nothing in it can be read as a judgement", async () => {
    const before = await stored()
    const cases = [
      [{ result: [] }, /compares nothing: the annotation holds no results; name the compared fields/],
      [
        { result: [pairwise("middle")] },
        /No result can be read as a judgement: the annotation holds "pairwise"; name one/,
      ],
      [
        { result: [{ ...pairwise("left"), to_name: "answer1,answer9" }] },
        /"answer9" holds no text; name .*: the record has "answer1" and "answer2" and "prompt"/,
      ],
    ] as const
    for (const [annotation, detail] of cases) {
      const refused = await deliverPlain(endpoint, labelStudioEvent(annotation))
      expect([refused.status, refused.value.type]).toEqual([422, "urn:yohaku:problem:unusable-delivery"])
      expect(refused.value.detail).toMatch(detail)
    }
    expect(await stored()).toEqual(before)
  })

  it("is taken back when it is skipped after it was submitted", async () => {
    await deliverPlain(endpoint, labelStudioEvent())
    const skipped = labelStudioEvent({ was_cancelled: true }, { action: "ANNOTATION_UPDATED" })
    expect((await deliverPlain(endpoint, skipped)).value).toEqual({ status: "accepted", reason: "retracted" })
    expect(await statuses()).toEqual(["retracted"])
  })

  it("is stored with all others that were made in bulk, or with none of them", async () => {
    const annotation = (id: number, task: number, selected: string) => {
      return { id, task, completed_by: 1, was_cancelled: false, result: [pairwise(selected)] }
    }
    const data = (n: number) => ({ prompt: `Q${n}?`, answer1: `good ${n}`, answer2: `bad ${n}` })
    const task = [2, 3].map((id) => ({ id, data: data(id) }))
    const event = (second: string) => {
      return {
        action: "ANNOTATIONS_CREATED",
        annotation: [annotation(201, 2, "left"), annotation(202, 3, second)],
        task,
      }
    }
    expect((await deliverPlain(endpoint, event("middle"))).status).toBe(422)
    expect(await statuses()).toEqual([])
    expect((await deliverPlain(endpoint, event("right"))).value).toEqual({ status: "accepted" })
    expect(await rows("SELECT external_id, status FROM comparisons ORDER BY rowid")).toEqual([
      { external_id: "201", status: "received" },
      { external_id: "202", status: "received" },
    ])
  })

  it("is taken back although one beside it cannot be used, which ends what that one said", async () => {
    const at = (minute: number) => `2026-11-01T10:0${minute}:00Z`
    for (const id of [301, 302]) await deliverPlain(endpoint, labelStudioEvent({ id, updated_at: at(1) }))
    const annotation = [
      { id: 301, task: 19, updated_at: at(2), was_cancelled: true, result: [pairwise("left")] },
      { id: 302, task: 19, updated_at: at(2), was_cancelled: false, result: [pairwise("middle")] },
    ]
    const { task } = labelStudioEvent()
    const answer = await deliverPlain(endpoint, { action: "ANNOTATIONS_CREATED", annotation, task: [task] })
    expect(answer.status).toBe(422)
    expect((answer.value as unknown as Problem).detail).toMatch(/counts no more\.$/)
    expect(await rows("SELECT external_id, status FROM comparisons ORDER BY rowid")).toEqual([
      { external_id: "301", status: "retracted" },
      { external_id: "302", status: "superseded" },
    ])
    // Of the one that cannot be used nothing was said before: what is taken back beside it is no reason to say so.
    const unknown = {
      action: "ANNOTATIONS_CREATED",
      annotation: [annotation[0], { ...annotation[1], id: 303 }],
      task: [task],
    }
    expect(((await deliverPlain(endpoint, unknown)).value as unknown as Problem).detail).not.toMatch(/counts no more/)
  })

  it("is a tie of bad quality, a ranking, or refused with the names of what could be meant", async () => {
    const bad = await deliverPlain(endpoint, labelStudioEvent({ result: [pairwise("left"), choice("Both are bad")] }))
    expect(bad.value).toEqual({ status: "accepted" })
    expect((await lastPayload()).judgement).toEqual({ kind: "tie", quality: "bad" })
    const items = ["a", "b"].map((id) => ({ id, body: `body ${id}` }))
    const ranker = { type: "ranker", from_name: "r", to_name: "items", value: { ranker: { _: ["b", "a"] } } }
    await deliverPlain(endpoint, labelStudioEvent({ id: 18, result: [ranker] }, { data: { items } }))
    expect(await lastPayload()).toMatchObject({
      candidates: [
        { id: "a", response: "body a" },
        { id: "b", response: "body b" },
      ],
      judgement: { kind: "ranking", ranks: { a: 2, b: 1 } },
    })
    const criterion = (name: string, to_name: string, score: number) => ({ ...rating(to_name, score), from_name: name })
    const twice = ["helpful", "style"].flatMap((name) => [
      criterion(`${name}_1`, "answer1", 5),
      criterion(`${name}_2`, "answer2", 2),
    ])
    const before = await stored()
    for (const [result, detail] of [
      [twice, /^Several answers could be meant: helpful_1 with helpful_2, style_1 with style_2; name the one/],
      [[pairwise("left"), choice("Hard to say")], /^A choice beside the Pairwise control says "Hard to say"; say in/],
    ] as const) {
      const refused = await deliverPlain(endpoint, labelStudioEvent({ id: 19, result }))
      expect([refused.status, refused.value.type]).toEqual([422, "urn:yohaku:problem:unusable-delivery"])
      expect(refused.value.detail).toMatch(detail)
    }
    expect(await stored()).toEqual(before)
    const named = await makeEndpoint("label-studio", { question: "style" })
    expect((await deliverPlain(named, labelStudioEvent({ id: 20, result: twice }))).value.status).toBe("accepted")
  })

  it("is refused without the secret or with a wrong one, and nothing is stored", async () => {
    const before = await stored()
    for (const secret of ["", "a-secret-of-label-studi", "A-secret-of-label-studio"]) {
      const refused = await deliverPlain(endpoint, labelStudioEvent(), secret)
      expect([refused.status, refused.value.type]).toEqual([401, "urn:yohaku:problem:invalid-signature"])
    }
    expect(await stored()).toEqual(before)
  })
})
