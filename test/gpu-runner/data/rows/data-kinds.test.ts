// What a training method gets from each kind of record: pairs, responses, or labelled rows; weights, ties, refused templates.
import { afterAll, describe, expect, test } from "vitest"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { countReasons, type DataFileOptions, dataKindOf, readDataFile } from "#gpu-runner/data/rows/data-file.ts"
import { byteIds, EOS } from "#test/shared/tokenisation/byte-level-tokenizer.ts"
import { createWorkspace, jsonLines, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const { tokenisation } = await readModelFolder(writeTinyModel(workspace))

async function read(records: readonly object[], options: Partial<DataFileOptions> = {}) {
  const file = workspace.write("data.jsonl", jsonLines(records))
  const { rows, dropped } = await readDataFile(file, tokenisation, { kind: "pairs", maxLength: 64, ...options })
  return { rows, reasons: countReasons(dropped), details: dropped.map(({ detail }) => detail) }
}

const pair = { id: "p", prompt: "q", chosen: "yes", rejected: "no" }
const ranked = { id: "n", prompt: "q", responses: ["a", "b", "c"], scores: [3, 2, 1] }
const tie = { ...ranked, scores: [1, 1, 1] }
const wanted = { id: "w", prompt: "q", completion: "good", label: true }
const unwanted = { id: "u", prompt: "q", completion: "bad", label: false }
const ended = (text: string) => [...byteIds(text), EOS]

test("every method has its kind of rows", () => {
  expect((["alpha-dpo", "dpo", "sft", "kto"] as const).map(dataKindOf)).toEqual([
    "pairs",
    "pairs",
    "responses",
    "unpaired",
  ])
})

describe("pairs", () => {
  test("one record may give several, and ties are counted, not trained on", async () => {
    const { rows, reasons } = await read([ranked, { ...tie, id: "t" }, pair])
    expect(rows.map(({ id }) => id)).toEqual(["n/0>1", "n/0>2", "n/1>2", "p"])
    expect(reasons).toEqual({ tie: 1 })
  })

  test("a labelling tool's form is read with the options of a webhook's mapping", async () => {
    const rating = (name: string, field: string, score: number) => {
      return { type: "rating", from_name: name, to_name: field, value: { rating: score } }
    }
    const result = [
      rating("good_1", "a", 5),
      rating("good_2", "b", 1),
      rating("short_1", "a", 1),
      rating("short_2", "b", 5),
    ]
    const task = { id: 1, data: { prompt: "q", a: "yes", b: "no" }, annotations: [{ id: 7, result }] }
    await expect(read([task])).rejects.toThrow(
      /data\.jsonl:1: several answers could be meant: good_1 with good_2, short/,
    )
    const { rows } = await read([task], { form: { question: "short" } })
    expect(rows.map(({ id, chosenIds }) => [id, [...chosenIds]])).toEqual([["7", ended("no")]])
  })

  test("unpaired rows are an error that names the method", async () => {
    await expect(read([wanted])).rejects.toThrow(
      /data\.jsonl:1: label is of an unpaired row, which training with method kto alone reads; give pairs/,
    )
  })

  test("a strength is a weight only when asked", async () => {
    const record = (id: string, overall_preference: number) => ({
      id,
      context: [{ role: "user", content: "q" }],
      response1: "a",
      response2: "b",
      overall_preference,
    })
    const records = [record("x", -1), record("y", 3), pair]
    expect((await read(records)).rows.map(({ weight }) => weight)).toEqual([1, 1, 1])
    const asked = await read(records, { strengthAsWeight: true })
    expect(asked.rows.map(({ weight }) => weight)).toEqual([1 / 3, 1, 1])
  })
})

describe("labelled rows", () => {
  const unpaired = { kind: "unpaired" } as const

  test("are a prompt, a completion and its label, with no other response yet", async () => {
    const { rows } = await read([wanted, unwanted], unpaired)
    expect(
      rows.map(({ id, label, chosenIds, rejectedIds }) => [id, label, [...chosenIds], rejectedIds.length]),
    ).toEqual([
      ["w", true, ended("good"), 0],
      ["u", false, ended("bad"), 0],
    ])
  })

  test("may stand beside pairs, which stay pairs without a label", async () => {
    const { rows } = await read([pair, wanted], unpaired)
    expect(rows.map(({ id, label, rejectedIds }) => [id, label, [...rejectedIds]])).toEqual([
      ["p", undefined, ended("no")],
      ["w", true, []],
    ])
  })
})

describe("responses", () => {
  const responses = { kind: "responses" } as const

  test("are the chosen ones of pairs and the wanted ones of labelled rows", async () => {
    const { rows, reasons } = await read([pair, wanted, unwanted], responses)
    expect(rows.map(({ chosenIds, label }) => [[...chosenIds], label])).toEqual([
      [ended("yes"), undefined],
      [ended("good"), undefined],
    ])
    expect(reasons).toEqual({ unwanted: 1 })
  })

  test("are TRL's completions and the last message of whole conversations", async () => {
    const messages = [
      { role: "user", content: "a" },
      { role: "assistant", content: "b" },
      { role: "user", content: "c" },
      { role: "assistant", content: "d" },
    ]
    const { rows } = await read([{ prompt: "q", completion: "r" }, { messages }], responses)
    expect([...rows[0]!.chosenIds]).toEqual(ended("r"))
    expect([...rows[1]!.chosenIds.subarray(0, 2)]).toEqual(ended("d"))
    expect(tokenisation.decode(rows[1]!.promptIds)).toContain("<|assistant|>b</s>")
    await expect(read([{ messages: messages.slice(0, 3) }], responses)).rejects.toThrow(
      /must end with an assistant's answer/,
    )
  })

  test("half of a surrogate pair is refused, a text about one is not", async () => {
    await expect(read([{ prompt: "q", response: "\ud800" }], responses)).rejects.toThrow(/half of a surrogate pair/)
    expect((await read([{ prompt: "q", response: "\\ud800" }], responses)).rows).toHaveLength(1)
  })
})

test("a row that the chat template refuses is dropped with its mend, and the others are trained on", async () => {
  const chat = (role: string) => ({
    prompt: [{ role, content: "q" }],
    chosen: [{ role: "assistant", content: "a" }],
    rejected: [{ role: "assistant", content: "b" }],
  })
  const { rows, reasons, details } = await read([chat("system"), chat("user")])
  expect(rows).toHaveLength(1)
  expect(reasons).toEqual({ "template-refused": 1 })
  expect(details[0]).toMatch(/put its text at the start of the first user message/)
})

test("a row with other turns inside its response is dropped, since they would be scored", async () => {
  const turns = [
    { role: "assistant", content: "a" },
    { role: "user", content: "and?" },
    { role: "assistant", content: "b" },
  ]
  const record = { prompt: [{ role: "user", content: "q" }], chosen: turns, rejected: turns.slice(0, 1) }
  expect((await read([record])).reasons).toEqual({ "several-turns": 1 })
})
