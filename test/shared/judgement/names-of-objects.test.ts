// A name from outside that every JavaScript object has (constructor, __proto__, toString) is a name like any other.
import { describe, expect, it } from "vitest"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import type { Reading } from "#shared/judgement/sources/annotation.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"
import { InvalidPreferenceRow } from "#shared/judgement/sources/record.ts"

const NAMES = [...Object.getOwnPropertyNames(Object.prototype), "prototype"]
/** A name that no object has. */
const PLAIN = "zzplain"

/** Records that hold a name in every place where a reader looks something up by it. */
const records: Readonly<Record<string, (name: string) => string>> = {
  "an Argilla event": (name) => JSON.stringify({ type: name, data: { id: "a" } }),
  "an Argilla label": (name) =>
    JSON.stringify({
      ...{ id: "r", fields: { prompt: "q", response_a: "a", response_b: "b" } },
      responses: [{ id: "x", status: "submitted", values: { q: { value: name } } }],
    }),
  "an Argilla thumb": (name) =>
    JSON.stringify({
      ...{ id: "r", fields: { prompt: "q", response: "a" } },
      responses: [{ id: "x", status: "submitted", values: { q: { value: name } } }],
    }),
  "an Argilla question": (name) =>
    `{"id":"r","fields":{"prompt":"q","response_a":"a","response_b":"b"},"responses":{"${name}":[{"value":"response_b","user_id":"u"}]}}`,
  "an Argilla response's field": (name) =>
    `{"id":"r","fields":{"prompt":"q","${name}":"a","response_b":"b"},"responses":[{"id":"x","status":"submitted","values":{"q":{"value":"${name}"}}}]}`,
  "an Argilla status": (name) =>
    JSON.stringify({ type: "response.created", data: { id: "a", status: name, values: {}, record: {} } }),
  "a Label Studio event": (name) => JSON.stringify({ action: name, annotation: { id: 1 } }),
  "a Label Studio choice": (name) =>
    JSON.stringify({
      ...{ id: 1, data: { prompt: "q", answer_1: "a", answer_2: "b" } },
      annotations: [
        { id: 2, result: [{ type: "choices", from_name: "c", to_name: "answer_1", value: { choices: [name] } }] },
      ],
    }),
  "a Label Studio control": (name) =>
    JSON.stringify({
      ...{ id: 1, data: { prompt: "q", answer_1: "a", answer_2: "b" } },
      annotations: [
        { id: 2, result: [{ type: name, from_name: name, to_name: name, value: { [name]: [name], selected: name } }] },
      ],
    }),
  "a Label Studio ranker": (name) =>
    JSON.stringify({
      ...{
        id: 1,
        data: {
          prompt: "q",
          items: [
            { id: name, body: "a" },
            { id: "2", body: "b" },
          ],
        },
      },
      annotations: [
        { id: 2, result: [{ type: "ranker", from_name: "r", to_name: "l", value: { ranker: { [name]: [name] } } }] },
      ],
    }),
  "a winner": (name) =>
    JSON.stringify({ winner: name, conversation_a: [], conversation_b: [], model_a: "a", model_b: "b" }),
  "a role": (name) =>
    JSON.stringify({ chosen: [{ role: name, content: "q" }], rejected: [{ role: name, content: "r" }] }),
  "a speaker": (name) =>
    JSON.stringify({
      conversations: [{ from: name, value: "q" }],
      chosen: { from: "gpt", value: "a" },
      rejected: { from: "gpt", value: "b" },
    }),
  "a label": (name) => JSON.stringify({ prompt: "q", completion: "a", label: name }),
  "a judgement's kind": (name) =>
    JSON.stringify({
      prompt: "q",
      candidates: [
        { id: "a", response: "1" },
        { id: "b", response: "2" },
      ],
      judgement: { kind: name },
    }),
  "a candidate": (name) =>
    `{"prompt":"q","candidates":[{"id":"${name}","response":"1"},{"id":"b","response":"2"}],"judgement":{"kind":"rating","scores":{"${name}":1,"b":2}}}`,
  "a candidate that is not rated": (name) =>
    `{"prompt":"q","candidates":[{"id":"${name}","response":"1"},{"id":"b","response":"2"},{"id":"c","response":"3"}],"judgement":{"kind":"rating","scores":{"c":1,"b":2}}}`,
  "an option": (name) =>
    JSON.stringify({
      text: "q",
      options: [
        { id: name, text: "a" },
        { id: "b", text: "b" },
      ],
      accept: [name],
      answer: "accept",
    }),
  "a node's role": (name) =>
    JSON.stringify({ message_tree_id: "m", prompt: { message_id: "m", role: name, text: "q", replies: [] } }),
  "a column": (name) => `{"prompt":"q","chosen":"a","rejected":"b","${name}":"x"}`,
  "the only column": (name) => `{"${name}":"x"}`,
}

const asTold = (outcome: unknown, name: string): string =>
  (JSON.stringify(outcome) ?? "").replaceAll(name.toLowerCase(), "NAME").replaceAll(name, "NAME")

const byFile = async (text: string, form = {}): Promise<unknown> => {
  try {
    const { faults = [], ...read } = await parsePreferenceRecord(text, { form })
    const ids = /sha256:[0-9a-f]{64}/g
    return [JSON.stringify(read).replaceAll(ids, "ID"), faults.map(({ message }) => message)]
  } catch (error) {
    if (error instanceof InvalidPreferenceRow) return error.message
    throw error
  }
}

const byWebhook = (text: string): unknown => {
  const outcomes = [readArgillaEvent, readLabelStudioEvent].map((read): unknown => {
    try {
      return read(JSON.parse(text), {}).map((one: Reading) => (one.kind === "refusal" ? one.refusal.message : one))
    } catch (error) {
      if (error instanceof InvalidPreferenceRow) return error.message
      throw error
    }
  })
  return outcomes
}

describe("a name that every object has", () => {
  it.each(Object.keys(records))("is read as any other: %s", async (where) => {
    const record = records[where]!
    const plain = [await byFile(record(PLAIN)), byWebhook(record(PLAIN))]
    for (const name of NAMES)
      expect(asTold([await byFile(record(name)), byWebhook(record(name))], name), name).toBe(asTold(plain, PLAIN))
  })

  it("names a task's column as any other", async () => {
    const said = (name: string) =>
      `{"id":"r","fields":{"prompt":"q","response_a":"a","response_b":"b","${name}":"t"},"metadata":{},"responses":[{"id":"x","status":"submitted","values":{"q":{"value":"response_a"}}}]}`
    for (const name of NAMES)
      expect(asTold(await byFile(said(name), { task: name }), name)).toBe(
        asTold(await byFile(said(PLAIN), { task: PLAIN }), PLAIN),
      )
  })
})
