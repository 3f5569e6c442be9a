// What other programs write otherwise than the tools do means the same: statuses, truth values, conversations with answers in plain text.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"
import { isBlank } from "#shared/judgement/essence.ts"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { sendableComparisons } from "#shared/judgement/sent-comparisons.ts"
import { assistant, faultOf, pairsOf, read, user } from "./read-record.ts"
import { argillaWays, byFile, byWebhook } from "./ways-in.ts"

const fields = { prompt: "Q?", response_a: "one", response_b: "two" }

const cased = (word: fc.Arbitrary<string>) =>
  fc
    .tuple(word, fc.func(fc.boolean()))
    .map(([text, isLarge]) => [...text].map((letter, at) => (isLarge(at) ? letter.toUpperCase() : letter)).join(""))

describe("an Argilla response", () => {
  const answered = { preference: { value: "response_a" } }

  test("counts only where its status says that it is submitted, in any letter case and by every way in", async () => {
    const status = cased(fc.constantFrom("submitted", "discarded", "draft", "pending", "archived"))
    const reasons: Readonly<Record<string, unknown>> = { submitted: ["one", "two"], discarded: "discarded" }
    await fc.assert(
      fc.asyncProperty(status, async (said) => {
        const response = { id: "r1", status: said, values: answered }
        const event = { type: "response.created", data: { ...response, record: { id: "x", fields } } }
        const list = { "preference.responses": ["response_a"], "preference.responses.users": ["u"] }
        const flat = { id: "x", status: "completed", _server_id: "s", ...fields, ...list }
        const preference = [{ value: "response_a", user_id: "u", status: said }]
        const expected = [reasons[said.toLowerCase()] ?? "draft"]
        expect(byWebhook("argilla", event)).toEqual(expected)
        for (const record of [
          event,
          { id: "x", fields, responses: [{ ...response, user_id: "u" }] },
          { id: "x", fields, responses: { preference } },
          { ...flat, "preference.responses.status": [said] },
        ])
          expect(await byFile(record)).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })

  test("is no judgement where one of its answers is a draft or discarded, whichever question comes first", async () => {
    const answer = (value: string, status?: string) => [
      { value, user_id: "u", ...(status === undefined ? {} : { status }) },
    ]
    for (const [first, second, reason] of [
      ["submitted", "discarded", "discarded"],
      [undefined, "discarded", "discarded"],
      ["submitted", "draft", "draft"],
    ] as const) {
      const [comment, preference] = [answer("hm", first), answer("response_a", second)]
      expect(await byFile({ id: "x", fields, responses: { comment, preference } })).toEqual([reason])
      expect(await byFile({ id: "x", fields, responses: { preference, comment } })).toEqual([reason])
    }
  })

  test("has comments that an event tells from labels: they judge nothing, unless `question` asks for them", () => {
    const settings = (name: string, type: string) => ({ name, settings: { type } })
    const dataset = { id: "d", questions: [settings("why", "text"), settings("preference", "label_selection")] }
    const read = (values: object, options = {}) => {
      const record = { id: "x", fields, dataset }
      const data = { id: "r1", status: "submitted", values, record }
      return byWebhook("argilla", { type: "response.created", data }, options)
    }
    for (const comment of ["response_a", "bad", "tie"]) {
      expect(read({ why: { value: comment }, preference: { value: "response_b" } })).toEqual([["two", "one"]])
      expect(read({ why: { value: comment } })).toEqual(["no-judgement"])
    }
    expect(read({ why: { value: "response_a" } }, { question: "why" })).toEqual([["one", "two"]])
  })
})

test("a Label Studio annotation is cancelled in any spelling of true, and what is no truth value is refused", async () => {
  const result = [{ type: "pairwise", from_name: "p", to_name: "answer_1,answer_2", value: { selected: "left" } }]
  const data = { prompt: "Q?", answer_1: "one", answer_2: "two" }
  const ways = async (was_cancelled: unknown) => {
    const annotation = { id: 7, result, was_cancelled }
    const event = { action: "ANNOTATION_CREATED", annotation, task: { id: 1, data } }
    return [
      byWebhook("label-studio", event),
      await byFile(event),
      await byFile({ id: 1, data, annotations: [annotation] }),
    ]
  }
  for (const said of [true, 1, "true", "True", "1"])
    expect(await ways(said)).toEqual([["discarded"], ["discarded"], ["discarded"]])
  for (const said of [false, 0, "false", "0", "", null, undefined])
    expect(await ways(said)).toEqual([[["one", "two"]], [["one", "two"]], [["one", "two"]]])
  for (const said of ["perhaps", 2, {}, []])
    expect((await ways(said)).flat()).toEqual(
      Array.from({ length: 3 }, () => "annotation.was_cancelled must be true or false"),
    )
})

describe("a prompt of messages with answers in plain text", () => {
  const prompt = [user("Q?")]

  test("is a conversation in a file as in the service: a form's field, a comparison, a rating list", async () => {
    const chat = { prompt, response_a: "one", response_b: "two" }
    const { webhook, ...files } = await argillaWays({ values: { which: "response_a" }, fields: chat })
    expect(webhook).toEqual([["one", "two"]])
    for (const found of Object.values(files)) expect(found).toEqual([[[assistant("one")], [assistant("two")]]])
    const candidates = [
      { id: "a", response: "one" },
      { id: "b", response: "two" },
    ]
    const stated = { externalId: "c", prompt, candidates, judgement: { kind: "choice", winner: "a" } }
    const list = { prompt, responses: ["one", "two"], scores: [2, 1] }
    for (const record of [stated, list])
      expect((await read(record)).pairs).toMatchObject([
        { prompt, chosen: [assistant("one")], rejected: [assistant("two")] },
      ])
    expect(await sendableComparisons(await parsePreferenceRecord(JSON.stringify(stated)))).toMatchObject([
      { comparison: { prompt, judgement: { kind: "choice", winner: "a" } } },
    ])
  })

  test("may be the other way about: answers of messages to a prompt in plain text", async () => {
    const candidates = ["a", "b"].map((id) => ({ id, response: [assistant(id)] }))
    const { pairs } = await read({ prompt: "Q?", candidates, judgement: { kind: "choice", winner: "a" } })
    expect(pairs).toMatchObject([{ prompt, chosen: [assistant("a")], rejected: [assistant("b")] }])
  })
})

test("a response that is the whole conversation once more is dropped, whatever the prompt looks like", async () => {
  const again = "\n\nHuman: hi\n\nAssistant: Hello"
  for (const chosen of [again, again.trimStart()]) {
    expect((await read({ prompt: "hi", chosen, rejected: "No." })).reasons).toEqual(["several-turns"])
    expect((await read({ prompt: "hi", chosen: "No.", rejected: chosen })).reasons).toEqual(["several-turns"])
    const turns = { prompt: [user("hi")], chosen: [assistant(chosen)], rejected: [assistant("No.")] }
    expect((await read(turns)).reasons).toEqual(["several-turns"])
    const candidates = [chosen, "No."].map((response, id) => ({ id: String(id), response }))
    const stated = { externalId: "c", prompt: "hi", judgement: { kind: "choice", winner: "0" } } as const
    expect(findComparisonFault({ ...stated, candidates: candidates as never })?.reason).toBe("several-turns")
  }
  // What was asked for may be a dialogue.
  const dialogue = "Human: hello\n\nAssistant: Hello"
  expect(await pairsOf({ prompt: "Write a dialogue.", chosen: dialogue, rejected: "No." })).toEqual([[dialogue, "No."]])
})

test("a text of white space and of what no reader sees says nothing", async () => {
  const unseen = fc.string({
    unit: fc.constantFrom(" ", "\n", "\u0085", "\u3000", "\u200b", "\u2060", "\ufeff", "\u00ad"),
  })
  await fc.assert(
    fc.asyncProperty(unseen, async (text) => {
      expect([isBlank(text), isBlank([assistant(text)]), isBlank(`${text}.`)]).toEqual([true, true, false])
      expect((await read({ prompt: "q", chosen: "a", rejected: text })).reasons).toEqual(["empty"])
    }),
    { numRuns: 50 },
  )
})

test("a tie's quality in a file is one of the two that the service knows", async () => {
  const candidates = ["a", "b"].map((id) => ({ id, response: id }))
  const tie = (quality?: unknown) => ({ prompt: "q", candidates, judgement: { kind: "tie", quality } })
  expect((await read(tie("bad"))).reasons).toEqual(["bad-quality"])
  for (const quality of ["good", null, undefined]) expect((await read(tie(quality))).reasons).toEqual(["tie"])
  expect(await faultOf(tie("BAD"))).toBe("judgement.quality must be good or bad")
})
