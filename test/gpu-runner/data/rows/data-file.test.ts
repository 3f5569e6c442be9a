// Reading --data: which rows are kept, which are dropped and counted, and which faults stop the run with file and line.
import { afterAll, describe, expect, test } from "vitest"
import { InvalidDataFile } from "#gpu-runner/data/errors.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { countReasons, readDataFile } from "#gpu-runner/data/rows/data-file.ts"
import { byteIds, EOS } from "#test/shared/tokenisation/byte-level-tokenizer.ts"
import { createWorkspace, jsonLines, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const { tokenisation } = await readModelFolder(writeTinyModel(workspace))
const pairs = { kind: "pairs", maxLength: 64 } as const
const read = (content: string | Uint8Array, options: Parameters<typeof readDataFile>[2] = pairs) =>
  readDataFile(workspace.write("data.jsonl", content), tokenisation, options)

describe("pairs", () => {
  test("plain text is BOS and prompt, response and EOS", async () => {
    const { rows } = await read(jsonLines([{ id: "a", prompt: "ab", chosen: "xy", rejected: "z" }]))
    expect(rows).toHaveLength(1)
    expect([...rows[0]!.promptIds]).toEqual([0, ...byteIds("ab")])
    expect([...rows[0]!.chosenIds]).toEqual([...byteIds("xy"), EOS])
    expect([...rows[0]!.rejectedIds]).toEqual([...byteIds("z"), EOS])
  })

  test("empty, identical, over-long and repeated rows are dropped and counted by reason", async () => {
    const { rows, dropped } = await read(
      jsonLines([
        { id: "good", prompt: "p", chosen: "yes", rejected: "no" },
        { id: "empty", prompt: "p", chosen: " ", rejected: "no" },
        { id: "same", prompt: "p", chosen: "no", rejected: "no" },
        { id: "long", prompt: "p", chosen: "y".repeat(70), rejected: "no" },
        { id: "good", prompt: "p", chosen: "yes", rejected: "no" },
      ]),
    )
    expect(rows.map(({ id }) => id)).toEqual(["good"])
    expect(countReasons(dropped)).toEqual({ empty: 1, identical: 1, "over-length": 1, duplicate: 1 })
    expect(dropped.map(({ line }) => line)).toEqual([2, 3, 4, 5])
  })

  test("blank lines and carriage returns are no rows", async () => {
    const { rows } = await read('{"prompt":"p","chosen":"a","rejected":"b"}\r\n\r\n  \n')
    expect(rows).toHaveLength(1)
  })
})

describe("faults that stop the run name file and line", () => {
  const failing: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ["broken UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), /data\.jsonl:1: the line is not UTF-8/],
    ["no JSON", '{"prompt":"p","chosen":"a","rejected":"b"}\nnonsense\n', /data\.jsonl:2: the line is not JSON/],
    ["a missing field", '{"prompt":"p","chosen":"a"}\n', /data\.jsonl:1: rejected is missing/],
    [
      "one id for two rows",
      jsonLines([
        { id: "a", prompt: "p", chosen: "a", rejected: "b" },
        { id: "a", prompt: "p", chosen: "c", rejected: "b" },
      ]),
      /data\.jsonl:2: id "a" belongs to another row at line 1/,
    ],
  ]
  test.each(failing)("%s", async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(InvalidDataFile)
    await expect(read(content)).rejects.toThrow(message)
  })

  test("an unknown field, strictly", async () => {
    const strict = read('{"prompt":"p","chosen":"a","rejected":"b","x":1}\n', { ...pairs, strict: true })
    await expect(strict).rejects.toThrow(/data\.jsonl:1: x is an unknown field/)
  })

  test("a file that is not there", async () => {
    await expect(readDataFile(workspace.at("none.jsonl"), tokenisation, pairs)).rejects.toThrow(/there is no such file/)
  })
})

describe("bad rows", () => {
  const good = (count: number) =>
    Array.from({ length: count }, (_, i) => `{"id":"${i}","prompt":"p${i}","chosen":"a","rejected":"b"}`)

  test("are dropped and counted with their reason, and the others are kept, up to maxBadShare", async () => {
    const lines = [...good(19).toSpliced(3, 0, "nonsense")].join("\n")
    const { rows, dropped } = await read(lines)
    expect(rows).toHaveLength(19)
    expect(dropped).toEqual([
      expect.objectContaining({ line: 4, row: 4, reason: "bad-row", detail: expect.stringContaining("is not JSON") }),
    ])
    const more = ["nonsense", ...lines.split("\n")].join("\n")
    await expect(read(more)).rejects.toThrow(
      /data\.jsonl: 2 of 21 rows cannot be used, more than maxBadShare \(0\.05\) allows: \S+:1: the line is not JSON.*\(and 1 more such\)$/,
    )
    expect((await read(more, { ...pairs, maxBadShare: 0.1 })).rows).toHaveLength(19)
    await expect(read(lines, { ...pairs, maxBadShare: 0 })).rejects.toThrow(/1 of 20 rows/)
  })

  test("of an id that is another row's, or of a kind that the method does not read, are bad rows too", async () => {
    const clash = '{"id":"0","prompt":"p","chosen":"x","rejected":"b"}'
    const labelled = '{"prompt":"p","completion":"x","label":true}'
    const { rows, dropped } = await read([...good(40), clash, labelled].join("\n"))
    expect(rows).toHaveLength(40)
    expect(dropped.map(({ line, detail }) => [line, detail])).toEqual([
      [41, 'id "0" belongs to another row at line 1; give every row its own id'],
      [42, expect.stringContaining("label is of an unpaired row")],
    ])
  })

  test("of one content under two ids is one row, as in the service", async () => {
    const pair = (id: string, chosen: string) => JSON.stringify({ id, prompt: "p", chosen, rejected: "b" })
    const { rows, dropped } = await read([pair("1", "a"), pair("2", "c"), pair("3", "a")].join("\n"))
    expect(rows.map(({ id }) => id)).toEqual(["1", "2"])
    expect(dropped).toMatchObject([{ line: 3, reason: "duplicate", detail: "the row stands at line 1 already" }])
  })

  test("are named up to twenty faults", async () => {
    const odd = Array.from({ length: 25 }, (_, i) => `{"odd${i}":1}`).join("\n")
    const error = await read(odd).catch(({ message }: Error) => message)
    expect(error).toMatch(/25 of 25 rows cannot be used.* odd19 is an unknown field.* \| 5 faults more$/)
    expect(error).not.toContain("odd20")
  })
})

test("own columns and a form make other data of the same file", async () => {
  const line = '{"prompt":"p","chosen":"a","rejected":"b"}\n'
  const plain = await read(line)
  const swapped = await read(line, { ...pairs, columns: { prompt: "prompt", chosen: "rejected", rejected: "chosen" } })
  expect([...swapped.rows[0]!.chosenIds]).toEqual([...plain.rows[0]!.rejectedIds])
  expect(swapped.digest).not.toBe(plain.digest)
  expect((await read(line, { ...pairs, form: { question: "q" } })).digest).not.toBe(plain.digest)
})

describe("responses", () => {
  const responses = { kind: "responses", maxLength: 64 } as const

  test("supervised rows give prompt and response, and nothing rejected", async () => {
    const { rows } = await read(jsonLines([{ id: "a", prompt: "ab", response: "xy" }]), responses)
    expect([...rows[0]!.promptIds]).toEqual([0, ...byteIds("ab")])
    expect([...rows[0]!.chosenIds]).toEqual([...byteIds("xy"), EOS])
    expect(rows[0]!.rejectedIds).toHaveLength(0)
  })

  test("the tokens of a response that equals the stand-in are its own", async () => {
    const { rows, dropped } = await read(
      jsonLines([
        { prompt: "p", response: "a" },
        { prompt: "p", response: "b" },
      ]),
      responses,
    )
    expect(dropped).toEqual([])
    expect(rows.map((row) => [...row.chosenIds])).toEqual([
      [...byteIds("a"), EOS],
      [...byteIds("b"), EOS],
    ])
  })

  test("chat rows go through the template, and pairs give their chosen response", async () => {
    const chat = { prompt: [{ role: "user", content: "q" }], response: [{ role: "assistant", content: "r" }] }
    const { rows } = await read(jsonLines([chat, { prompt: "p", chosen: "good", rejected: "bad" }]), responses)
    expect([...rows[0]!.chosenIds.subarray(0, 2)]).toEqual([...byteIds("r"), EOS])
    expect([...rows[1]!.chosenIds]).toEqual([...byteIds("good"), EOS])
    expect(rows[1]!.rejectedIds).toHaveLength(0)
  })

  test("fields that nobody reads are left alone and named, and strictly refused", async () => {
    const line = jsonLines([{ prompt: "p", response: "r", note: "x" }])
    const { rows, unread } = await read(line, responses)
    expect([rows.length, unread]).toEqual([1, ["note"]])
    await expect(read(line, { ...responses, strict: true })).rejects.toThrow(/:1: note is an unknown field/)
    expect((await read(jsonLines([{ prompt: "p", response: "r", note: "\ud800" }]), responses)).rows).toHaveLength(1)
  })

  test("an answer with turns of others inside is dropped, as that of a pair is", async () => {
    const chat = { prompt: [{ role: "user", content: "q" }] }
    const turns = ["assistant", "user", "assistant"].map((role) => ({ role, content: "x" }))
    const hh = { prompt: "\n\nHuman: q\n\nAssistant:", response: " a\n\nHuman: thanks" }
    const { rows, dropped } = await read(jsonLines([{ ...chat, response: turns }, hh]), responses)
    expect([rows.length, countReasons(dropped)]).toEqual([0, { "several-turns": 2 }])
  })

  test("a row with text on one side and messages on the other names the fault", async () => {
    const mixed = jsonLines([{ prompt: "p", response: [{ role: "assistant", content: "r" }] }])
    await expect(read(mixed, responses)).rejects.toThrow(/data\.jsonl:1: prompt and response must both be/)
  })
})
