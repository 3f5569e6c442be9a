// `yohaku data check`: what a file would teach. Each case is a row that users of other tools reported, with what is right.
// Over 300 lines: a case a reported row.
import { readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, describe, expect, test } from "vitest"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { readDataFile } from "#gpu-runner/data/rows/data-file.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createWorkspace, jsonLines, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const user = (content: string) => ({ role: "user", content })
const assistant = (content: string) => ({ role: "assistant", content })
const chat = (prompt: string, chosen: string, rejected: string) => {
  return { prompt: [user(prompt)], chosen: [assistant(chosen)], rejected: [assistant(rejected)] }
}

async function check(name: string, content: string | Uint8Array, ...more: readonly string[]) {
  const { code, told, result } = await runYohakuJson("data", "check", workspace.write(name, content), ...more)
  expect({ code, told }).toEqual({ code: 0, told: "" })
  return result
}

const conversation = (last: string) => [user("hi"), assistant("Hello there."), user("and?"), assistant(last)]
const greeting = { chosen: [user("hi"), assistant("Hello there.")], rejected: [user("hi"), assistant("Go away.")] }

describe("is read", () => {
  const cases: readonly (readonly [string, string, object, object, readonly string[]])[] = [
    [
      "columns of scores and models beside an UltraFeedback pair",
      "30.jsonl",
      { source: "s", prompt: "hi", ...greeting, "chosen-rating": 5, "chosen-model": "x", "rejected-rating": 3 },
      chat("hi", "Hello there.", "Go away."),
      ["chosen-rating", "chosen-model", "rejected-rating"],
    ],
    [
      "a column named question beside the prompt",
      "31.jsonl",
      { source: "s", ...greeting, prompt: "hi", question: "hi" },
      chat("hi", "Hello there.", "Go away."),
      ["question"],
    ],
    [
      "a prompt that is the first of several turns: all shared turns are the prompt",
      "32.jsonl",
      { prompt: "hi", chosen: conversation("Well."), rejected: conversation("No.") },
      { ...chat("hi", "Well.", "No."), prompt: conversation("").slice(0, 3) },
      [],
    ],
    [
      "LLaMA-Factory's sharegpt pairs",
      "33.jsonl",
      {
        conversations: [{ from: "human", value: "2+2?" }],
        chosen: { from: "gpt", value: "4" },
        rejected: { from: "gpt", value: "5" },
      },
      chat("2+2?", "4", "5"),
      [],
    ],
    [
      "LLaMA-Factory's alpaca pairs",
      "33b.jsonl",
      { instruction: "Add", input: "2+2", chosen: "4", rejected: "5" },
      chat("Add\n2+2", "4", "5"),
      [],
    ],
    [
      "axolotl's messages and answers",
      "axolotl.jsonl",
      { messages: [user("2+2?")], chosen: assistant("4"), rejected: assistant("5"), weight: 2 },
      chat("2+2?", "4", "5"),
      ["weight"],
    ],
    [
      "axolotl's Orca pairs",
      "orca.jsonl",
      { system: "Be exact.", question: "2+2?", chosen: "4", rejected: "5" },
      { ...chat("2+2?", "4", "5"), prompt: [{ role: "system", content: "Be exact." }, user("2+2?")] },
      [],
    ],
    [
      "Argilla's flat export",
      "36.jsonl",
      {
        ...{ id: "r1", status: "completed", _server_id: "x", prompt: "What is tea?" },
        ...{ response_a: "A drink.", response_b: "A rock.", "preference.responses": ["response_a"] },
        ...{ "preference.responses.users": ["u1"], "preference.responses.status": ["submitted"] },
        ...{ "preference.suggestion": null, "preference.suggestion.score": null, "preference.suggestion.agent": null },
      },
      { prompt: "What is tea?", chosen: "A drink.", rejected: "A rock." },
      [],
    ],
    [
      "a weight on an OpenAI message",
      "39.jsonl",
      {
        input: { messages: [user("hi")], tools: [], parallel_tool_calls: true },
        preferred_output: [{ ...assistant("x"), weight: 1 }],
        non_preferred_output: [assistant("y")],
      },
      chat("hi", "x", "y"),
      ["preferred_output.weight"],
    ],
  ]
  test.each(cases)("%s", async (_, name, record, pair, ignoredColumns) => {
    const { summary: _summary, ...checked } = await check(name, jsonLines([record]))
    const pairs = [{ row: 1, ...pair }]
    expect(checked).toEqual({ rows: 1, pairs, labelled: [], responses: [], dropped: [], ignoredColumns })
  })

  test("a table with numbers beyond 2^53 and bytes in columns that nobody reads", async () => {
    const file = path.join(import.meta.dirname, "../../data/rows/parquet/unread-columns.parquet")
    const { pairs, dropped, ignoredColumns } = await check("38b.parquet", readFileSync(file))
    expect(pairs).toEqual([{ row: 1, prompt: "hi", chosen: "a", rejected: "b" }])
    expect([dropped, ignoredColumns]).toEqual([[], ["snowflake", "raw"]])
  })

  test("a Parquet table's floating-point numbers in tools, as Python prints them", async () => {
    const file = path.join(import.meta.dirname, "../../data/rows/parquet/tools.parquet")
    const printed = workspace.write("tools.parquet", readFileSync(file))
    const { printed: text } = await runYohaku("data", "check", printed, "--json")
    expect(text).toContain('"limits":{"least":1.0,"most":2.5,"steps":3},"marks":[0.0,-0.0,1e+16,1e+22]')
  })

  test("what is behind a byte order mark, and a column without a name", async () => {
    const record = { externalId: "b", prompt: "Tea?", candidates: [], judgement: { kind: "choice", winner: "a" } }
    const candidates = [
      { id: "a", response: "A drink." },
      { id: "b", response: "A rock." },
    ]
    const marked = await check("45.json", `\ufeff${JSON.stringify({ ...record, candidates })}`)
    expect(marked.pairs).toEqual([{ row: 1, prompt: "Tea?", chosen: "A drink.", rejected: "A rock." }])
    const { pairs, ignoredColumns } = await check("index.csv", "\ufeff,prompt,chosen,rejected\n0,a,b,c\n")
    expect(pairs).toEqual([{ row: 1, prompt: "a", chosen: "b", rejected: "c" }])
    expect(ignoredColumns).toEqual(["(no name)"])
  })
})

describe("is dropped with what to do", () => {
  const python = (answer: string) =>
    `"[{'role': 'user', 'content': 'hi'}, {'role': 'assistant', 'content': '${answer}'}]"`
  const arena = (id: number, answer: string) => `${id},x,y,"[""hi""]","[""${answer}""]","[""no""]",1,0,0\n`
  const arenaHeader = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n"
  const role = (name: string, content: string) => ({ role: name, content })
  const roles = (answer: string) => [role("Human", "hi"), role("Assistant", answer)]
  const cases: readonly (readonly [string, string, string, string, RegExp])[] = [
    [
      "messages as Python prints them, in a table of text",
      "20.csv",
      `prompt,chosen,rejected\nhi,${python("Hello.")},${python("Go away.")}\n`,
      "bad-row",
      /^chosen is a list of messages as Python prints it, which is no JSON; write the column with json\.dumps/,
    ],
    [
      "a transcript that goes on with the human's turn",
      "21.jsonl",
      jsonLines([
        { chosen: "\n\nHuman: hi\n\nAssistant: Hello.\n\nHuman: thanks", rejected: "\n\nHuman: hi\n\nAssistant: No" },
      ]),
      "several-turns",
      /^chosen goes on with another turn \("\\n\\nHuman:"\) after the answer; end it before$/,
    ],
    [
      "half a surrogate pair in one cell",
      "35.csv",
      `${arenaHeader}${arena(1, "ok \\ud83d")}${arena(2, "ok")}`,
      "bad-row",
      /^response_a\.0 holds half of a surrogate pair, which is no text; repair the string$/,
    ],
    [
      "a 64-bit id as a number",
      "38.jsonl",
      '{"id": 1234567890123456789, "prompt": "hi", "chosen": "a", "rejected": "b"}\n',
      "bad-row",
      /^id is an integer too large to be read exactly, as 64-bit ids are; write it as text$/,
    ],
    [
      "a preference that is null",
      "41b.jsonl",
      jsonLines([{ context: [user("q")], response1: "a", response2: "b", overall_preference: null }]),
      "unlabelled",
      /^the row has no overall_preference$/,
    ],
    [
      "roles that templates do not know",
      "42.jsonl",
      jsonLines([{ chosen: roles("a"), rejected: roles("b") }]),
      "bad-row",
      /^chosen\.0\.role is "Human", which chat templates do not know; call it "user"/,
    ],
    [
      "Label Studio's JSON_MIN",
      "43.jsonl",
      jsonLines([
        { id: 1, prompt: "Q?", answer_1: "good", answer_2: "bad", preference: "left", annotator: 1, annotation_id: 5 },
      ]),
      "bad-row",
      /JSON_MIN or CSV export, which does not say what a control is about; export JSON$/,
    ],
  ]
  test.each(cases)("%s", async (_, name, content, reason, detail) => {
    const { dropped } = await check(name, content)
    expect(dropped).toEqual([{ row: 1, reason, detail: expect.stringMatching(detail) }])
  })

  test("and the other rows of the file are pairs", async () => {
    const { pairs, refusal } = await check("35.csv", `${arenaHeader}${arena(1, "ok \\ud83d")}${arena(2, "ok")}`)
    expect(pairs).toEqual([{ row: 2, ...chat("hi", "ok", "no") }])
    expect(refusal).toBe("1 of 2 rows cannot be used, more than maxBadShare (0.05) allows")
  })
})

describe("options", () => {
  const own = { question: "2+2?", good: "4", bad: "5", note: "easy" }

  test("--map names own columns, and a column that is missing is said", async () => {
    const map = ["--map", "prompt=question,chosen=good,rejected=bad"]
    const { pairs, ignoredColumns } = await check("own.jsonl", jsonLines([own]), ...map)
    expect(pairs).toEqual([{ row: 1, prompt: "2+2?", chosen: "4", rejected: "5" }])
    expect(ignoredColumns).toEqual(["note"])
    const { dropped } = await check("own.jsonl", jsonLines([{ ...own, bad: undefined }]), ...map)
    expect(dropped[0].detail).toBe("bad is missing; the map names this column for rejected")
    const unmapped = await check("own.jsonl", jsonLines([own]))
    expect(unmapped.dropped[0].detail).toMatch(/name its columns \(--map prompt=…,chosen=…,rejected=…\)/)
  })

  test("--form says which part of a labelling tool's form is meant", async () => {
    const rating = (name: string, field: string, score: number) => {
      return { type: "rating", from_name: name, to_name: field, value: { rating: score } }
    }
    const result = [
      rating("good_1", "a", 5),
      rating("good_2", "b", 1),
      rating("short_1", "a", 1),
      rating("short_2", "b", 5),
    ]
    const task = jsonLines([{ id: 1, data: { prompt: "q", a: "yes", b: "no" }, annotations: [{ id: 7, result }] }])
    const form = workspace.write("form.json", '{"question": "short"}')
    expect((await check("form.jsonl", task)).dropped[0].detail).toMatch(/several answers could be meant/)
    expect((await check("form.jsonl", task, "--form", form)).pairs).toEqual([
      { row: 1, prompt: "q", chosen: "no", rejected: "yes" },
    ])
  })

  test("--strict refuses what nobody reads", async () => {
    const { dropped } = await check(
      "strict.jsonl",
      jsonLines([{ prompt: "q", chosen: "a", rejected: "b", x: 1 }]),
      "--strict",
    )
    expect(dropped).toEqual([
      { row: 1, reason: "bad-row", detail: expect.stringContaining("x is an unknown field; remove it") },
    ])
  })

  const pairLine = '{"prompt":"p","chosen":"good","rejected":"bad"}'
  const encoded = (encoding: BufferEncoding | "utf32le", text: string) =>
    encoding === "utf32le"
      ? Buffer.concat([...text].map((sign) => Buffer.from([sign.codePointAt(0)!, 0, 0, 0])))
      : Buffer.from(text, encoding)

  test.each([
    [
      "old Mac line ends",
      "cr.csv",
      "prompt,chosen,rejected\rp,good,bad\rq,good,bad\r",
      /save the table with line feeds/,
    ],
    [
      "semicolons",
      "semicolons.csv",
      "prompt;chosen;rejected\np;good;bad\n",
      /separated by ";"; write the table with commas/,
    ],
    ["tabs", "tabs.csv", "prompt\tchosen\trejected\np\tgood\tbad\n", /separated by tabs; write the table with commas/],
    [
      "an array on one line",
      "array.jsonl",
      `[${pairLine},${pairLine}]`,
      /array.jsonl:1: is a JSON array .* name it .json/,
    ],
    ["an array over lines", "lines.jsonl", `\n[\n${pairLine},\n${pairLine}\n]\n`, /lines.jsonl:2: is a JSON array/],
    ["UTF-16 without a mark", "16.jsonl", encoded("utf16le", pairLine), /is UTF-16; save it as UTF-8/],
    ["UTF-32", "32.jsonl", encoded("utf32le", pairLine), /is UTF-32; save it as UTF-8/],
    ["a pickle", "rows.pkl", Buffer.from([0x80, 4, 0x95, 1]), /is a Python pickle; write Parquet/],
  ] as const)("a file of %s is refused as a whole, with its mend", async (_, name, content, told) => {
    const run = await runYohaku("data", "check", workspace.write(name, content))
    expect([run.code, run.told]).toEqual([1, expect.stringMatching(told)])
  })

  test.each([
    ["NaN", pairLine.replace("}", ',"score":NaN}'), "the line is not JSON; NaN is no JSON number; write null"],
    ["-Infinity", pairLine.replace("}", ',"score":-Infinity}'), "-Infinity is no JSON number; write null"],
    [
      "a Python dict",
      "{'prompt': 'p'}",
      "the line is not JSON; it is written as Python prints it; write it with json.dumps",
    ],
    ["a cut line", pairLine.slice(0, -8), "it ends before what it opens is closed"],
    ["brackets in texts alone", '{"prompt":"[[{{ NaN"', "it ends before what it opens is closed"],
  ])("a line with %s is dropped with its mend", async (_, line, detail) => {
    const { dropped } = await check("line.jsonl", `${pairLine}\n${line}\n`)
    expect(dropped).toEqual([{ row: 2, reason: "bad-row", detail: expect.stringContaining(detail) }])
  })

  test("messages of a class as Python prints them are dropped with what to do, and texts about such are not", async () => {
    const header = "prompt,chosen,rejected\n"
    const { dropped } = await check("class.csv", `${header}"[Message(role='user', content='hi')]",good,bad\n`)
    expect(dropped).toEqual([{ row: 1, reason: "bad-row", detail: expect.stringMatching(/as Python prints it/) }])
    const { pairs } = await check("text.csv", `${header}What is a Message(role=1)?,[Message(x)],bad\n`)
    expect(pairs).toEqual([{ row: 1, prompt: "What is a Message(role=1)?", chosen: "[Message(x)]", rejected: "bad" }])
  })

  test.each([
    ["cut off", '"[{""role"": ""user"", ""content"": ""hi"', /whose JSON is broken; it ends before/],
    ["with NaN", '"[{""role"": ""user"", ""content"": NaN}]"', /whose JSON is broken; NaN is no JSON number/],
  ])("a cell of messages %s is dropped with its mend", async (_, cell, detail) => {
    const { dropped } = await check("cell.csv", `prompt,chosen,rejected\n${cell},good,bad\n`)
    expect(dropped).toEqual([{ row: 1, reason: "bad-row", detail: expect.stringMatching(detail) }])
  })

  test("spaces around the names of columns are said to be in the way", async () => {
    const { dropped } = await check("spaces.csv", "prompt, chosen, rejected\np, good, bad\n")
    expect(dropped[0].detail).toMatch(/the names of its columns have spaces around them; remove those$/)
  })

  test.each(["", "\ufeff", "\n \n"])("a source without rows (%j) is told", async (content) => {
    for (const name of ["no-rows.jsonl", "no-rows.csv"]) {
      const { rows, refusal } = await check(name, content)
      expect([rows, refusal]).toEqual([0, "the source holds no rows"])
    }
  })

  test("--source reads deliveries in their order: a later one takes the place of what was said before", async () => {
    const delivery = (action: string, id: number, selected: string, changes: object = {}) => {
      const result = [{ type: "pairwise", from_name: "p", to_name: "a,b", value: { selected } }]
      return {
        action,
        annotation: { id, result, ...changes },
        task: { id: 1, data: { prompt: `Q${id}?`, a: "one", b: "two" } },
      }
    }
    const deliveries = [
      delivery("ANNOTATION_CREATED", 1, "left"),
      delivery("ANNOTATION_CREATED", 2, "left"),
      delivery("ANNOTATION_UPDATED", 1, "right"),
      delivery("ANNOTATION_UPDATED", 2, "left", { was_cancelled: true }),
    ]
    const source = ["--source", "label-studio"]
    const { pairs, dropped } = await check("hooks.jsonl", jsonLines(deliveries), ...source)
    expect(pairs).toEqual([{ row: 3, prompt: "Q1?", chosen: "two", rejected: "one" }])
    expect(dropped.map(({ row, reason }: { row: number; reason: string }) => [row, reason])).toEqual([
      [1, "superseded"],
      [2, "superseded"],
      [4, "discarded"],
    ])
    const one = await check("hook.json", JSON.stringify(deliveries[0], null, 2), ...source)
    expect(one.pairs).toEqual([{ row: 1, prompt: "Q1?", chosen: "one", rejected: "two" }])
    const none = await check("pair.jsonl", jsonLines([{ prompt: "q", chosen: "a", rejected: "b" }]), ...source)
    expect(none.dropped[0].detail).toMatch(/this is no delivery of Label Studio's webhook/)
  })

  test("a later delivery takes the place of its own annotation alone, not of one whose id begins with its own", async () => {
    const choice = (id: number, selected: string) => ({
      action: "ANNOTATION_CREATED",
      annotation: { id, result: [{ type: "pairwise", from_name: "p", to_name: "a,b", value: { selected } }] },
      task: { id: 1, data: { prompt: `Q${id}?`, a: "one", b: "two" } },
    })
    const bodies = jsonLines([choice(12, "left"), choice(1, "left"), choice(1, "right")])
    const { pairs } = await check("prefix.jsonl", bodies, "--source", "label-studio")
    expect(pairs.map(({ row, prompt }: { row: number; prompt: string }) => [row, prompt])).toEqual([
      [1, "Q12?"],
      [3, "Q1?"],
    ])
  })

  test("--source argilla reads responses, and takes back what is deleted later", async () => {
    const fields = { prompt: "Q?", response_a: "one", response_b: "two" }
    const response = (id: string, value: string) => ({
      type: "response.created",
      data: { id, status: "submitted", values: { preference: { value } }, record: { id: "r", fields } },
    })
    const gone = { type: "response.deleted", data: { id: "x1" } }
    const bodies = jsonLines([response("x1", "response_a"), response("x2", "response_b"), gone])
    const { pairs, dropped } = await check("argilla.jsonl", bodies, "--source", "argilla")
    expect(pairs).toEqual([{ row: 2, prompt: "Q?", chosen: "two", rejected: "one" }])
    expect(dropped.map(({ row, reason }: { row: number; reason: string }) => [row, reason])).toEqual([
      [1, "superseded"],
      [3, "deleted"],
    ])
  })

  test("--source shows what a deleted task, project, record or dataset takes back, whenever it comes", async () => {
    const result = [{ type: "pairwise", from_name: "p", to_name: "a,b", value: { selected: "left" } }]
    const said = (id: number, task: number, project: number, prompt: string) => ({
      ...{ action: "ANNOTATION_CREATED", project: { id: project } },
      ...{ annotation: { id, result, updated_at: "2026-11-01T10:00:00Z" } },
      ...{ task: { id: task, data: { prompt, a: "one", b: "two" } } },
    })
    const studio = await check(
      "deleted-tasks.jsonl",
      jsonLines([
        { action: "TASKS_DELETED", tasks: [{ id: 7 }], project: { id: 1 } },
        said(1, 7, 1, "Q1?"),
        said(2, 8, 1, "Q2?"),
        said(3, 9, 2, "Q3?"),
        { action: "PROJECT_DELETED", project: { id: 2 } },
        { action: "ANNOTATIONS_DELETED", annotations: [{ id: 5 }] },
      ]),
      ...["--source", "label-studio"],
    )
    expect(studio.pairs).toEqual([{ row: 3, prompt: "Q2?", chosen: "one", rejected: "two" }])
    expect(studio.takenBack).toEqual([
      { row: 1, scope: "task", externalId: "7", rows: [2] },
      { row: 5, scope: "project", externalId: "2", rows: [4] },
      { row: 6, scope: "annotation", externalId: "5", rows: [] },
    ])
    const fields = { prompt: "Q?", response_a: "one", response_b: "two" }
    const response = (id: string, record: string, dataset: string) => ({
      type: "response.created",
      data: {
        ...{ id, status: "submitted", values: { preference: { value: "response_a" } } },
        record: { id: record, fields, dataset: { id: dataset } },
      },
    })
    const argilla = await check(
      "deleted-records.jsonl",
      jsonLines([
        ...[response("x1", "r1", "d1"), response("x2", "r2", "d2")],
        { type: "record.deleted", data: { id: "r1" } },
        { type: "dataset.deleted", data: { id: "d2" } },
      ]),
      ...["--source", "argilla"],
    )
    expect(argilla.pairs).toEqual([])
    expect(argilla.takenBack).toEqual([
      { row: 3, scope: "task", externalId: "r1", rows: [1] },
      { row: 4, scope: "project", externalId: "d2", rows: [2] },
    ])
  })

  test("--source takes back every pair of a ranking, and without times goes by the order of the bodies", async () => {
    const fields = { prompt: "Q?", response_a: "one", response_b: "two", response_c: "three" }
    const value = ["response_a", "response_b", "response_c"].map((name, index) => ({ value: name, rank: index + 1 }))
    const ranked = { id: "x", values: { preference: { value } }, record: { id: "r", fields } }
    const body = (type: string, data: object) => ({ type, data: { ...ranked, ...data } })
    const said = body("response.created", { status: "submitted" })
    const discarded = body("response.updated", { status: "discarded" })
    const learnt = async (...bodies: readonly object[]) =>
      (await check("ranked.jsonl", jsonLines(bodies), "--source", "argilla")).pairs.map(
        ({ row }: { row: number }) => row,
      )
    expect(await learnt(said)).toEqual([1, 1, 1])
    expect(await learnt(said, discarded)).toEqual([])
    expect(await learnt(discarded, said)).toEqual([2, 2, 2])
  })

  test("--source goes by the tool's own times, not by the order of the bodies", async () => {
    const said = (selected: string, minute: number, changes: object = {}) => ({
      action: "ANNOTATION_UPDATED",
      annotation: {
        ...{ id: 1, updated_at: `2026-11-01T10:0${minute}:00Z`, ...changes },
        result: [{ type: "pairwise", from_name: "p", to_name: "a,b", value: { selected } }],
      },
      task: { id: 1, data: { prompt: "Q?", a: "one", b: "two" } },
    })
    const learnt = async (...bodies: readonly object[]) =>
      (await check("times.jsonl", jsonLines(bodies), "--source", "label-studio")).pairs.map(
        ({ chosen }: { chosen: string }) => chosen,
      )
    const [left, skipped, right] = [said("left", 1), said("left", 2, { was_cancelled: true }), said("right", 3)]
    expect(await learnt(right, skipped, left)).toEqual(["two"])
    expect(await learnt(skipped, left)).toEqual([])
    expect(await learnt(left, right, said("left", 3, { was_cancelled: true }))).toEqual([])
  })

  test("--source ends what an annotation said before by what cannot be used, and by the latest where times are missing", async () => {
    const said = (selected: string, minute: number | undefined, changes: object = {}, data: object = {}) => ({
      action: "ANNOTATION_UPDATED",
      annotation: {
        ...{ id: 1, ...(minute === undefined ? {} : { updated_at: `2026-11-01T10:0${minute}:00Z` }) },
        result: [{ type: "pairwise", from_name: "p", to_name: "a,b", value: { selected } }],
        ...changes,
      },
      task: { id: 1, data: { prompt: "Q?", a: "one", b: "two", ...data } },
    })
    const learnt = async (...bodies: readonly object[]) => {
      const options = ["--source", "label-studio", "--max-bad-share", "1"]
      const { pairs } = await check("changed.jsonl", jsonLines(bodies), ...options)
      return pairs.map(({ chosen }: { chosen: string }) => chosen)
    }
    const comment = { result: [{ type: "textarea", from_name: "note", to_name: "a", value: { text: ["hm"] } }] }
    const unclear = { result: [{ type: "choices", from_name: "c", to_name: "a", value: { choices: ["?"] } }] }
    for (const [changes, data] of [[comment], [unclear], [{ result: "none" }], [{}, { b: " one " }], [{}, { b: "" }]]) {
      const spoilt = said("left", 2, changes, data)
      expect(await learnt(said("left", 1), spoilt)).toEqual([])
      expect(await learnt(spoilt, said("left", 1))).toEqual([])
      expect(await learnt(spoilt, said("right", 3), said("left", 1))).toEqual(["two"])
    }
    // Of one time, the later; of what has no time, it is as late as what was heard of before.
    expect(await learnt(said("left", 1), said("left", 1, comment))).toEqual([])
    expect(await learnt(said("left", 1, comment), said("left", 1))).toEqual(["one"])
    expect(await learnt(said("left", 2), said("right", undefined), said("left", 1))).toEqual(["two"])
    expect(await learnt(said("right", undefined), said("left", 2), said("right", 1))).toEqual(["one"])
    // A time that cannot be is none, and what it says is refused.
    const year = (at: string) => said("right", 1, { updated_at: at })
    for (const never of ["9999-01-01T00:00:00Z", "2026-02-31T10:00:00Z", "yesterday"])
      expect(await learnt(said("left", 1), year(never))).toEqual([])
  })

  test("--held-out tells which prompts are on both sides, and the summary what is wrong with the whole", async () => {
    const pair = (prompt: string, chosen: string, rejected: string) => ({ prompt, chosen, rejected })
    const rows = [
      pair("a", "long answer", "no"),
      pair("a", "no", "long answer"),
      pair("b", "yes", "no"),
      pair("b", "yes", "no"),
    ]
    const heldOut = workspace.write(
      "held.jsonl",
      jsonLines([pair(" b ", "x", "y"), pair("c", "x", "y"), chat("a", "x", "y")]),
    )
    const { summary } = await check("summary.jsonl", jsonLines(rows), "--held-out", heldOut)
    expect(summary).toEqual({
      dropped: { duplicate: 1 },
      prompts: 2,
      lengths: {
        unit: "characters",
        prompt: { min: 1, median: 1, max: 1 },
        chosen: { min: 2, median: 3, max: 11 },
        rejected: { min: 2, median: 2, max: 11 },
      },
      duplicates: 1,
      contradictions: 2,
      chosenIsLonger: 2 / 3,
      labels: { wanted: 0, unwanted: 0 },
      heldOut: {
        ...{ pairs: 3, sharedPrompts: 2 },
        leaks: [
          { row: 1, trainRow: 3, prompt: "same" },
          { row: 3, trainRow: 1, prompt: "same" },
        ],
      },
    })
  })

  test.each([
    [["data"], /say `yohaku data check FILE`/],
    [["data", "look", "x"], /say `yohaku data check FILE`/],
    [["data", "check", "x", "--map", "prompt"], /--map prompt: write FIELD=COLUMN,FIELD=COLUMN/],
    [["data", "check", "x", "--map", "good=a"], /--map names the field "good"; use id, prompt, chosen/],
    [["data", "check", "x", "--form", "none.json"], /--form none\.json is missing; give a JSON file/],
    [["data", "check", "x", "--max-bad-share", "5"], /--max-bad-share 5 is no share from 0 to 1/],
    [["data", "check", "x", "--source", "csv"], /--source csv is unknown; use label-studio or argilla/],
  ])("%j is bad usage", async (argv, message) => {
    const { code, told } = await runYohaku(...argv)
    expect(code).toBe(2)
    expect(told).toMatch(message)
  })

  test("a form that no webhook has is bad usage", async () => {
    const form = workspace.write("typo.json", '{"questoin": "short"}')
    const { code, told } = await runYohaku("data", "check", "x", "--form", form)
    expect(code).toBe(2)
    expect(told).toMatch(/questoin.*known are prompt, responses, question, ratings, labels, task/)
  })

  test("a file that is not there is an error", async () => {
    const { code, told } = await runYohaku("data", "check", workspace.at("none.jsonl"))
    expect(code).toBe(1)
    expect(told).toMatch(/none\.jsonl: there is no such file/)
  })
})

describe("--model", () => {
  const model = writeTinyModel(workspace)
  const rows = [
    { prompt: "a b", chosen: " yes", rejected: " no" },
    { ...chat("q", "good", "bad") },
    { prompt: "c", completion: " fine", label: true },
    { prompt: [{ role: "system", content: "s" }], chosen: [assistant("x")], rejected: [assistant("y")] },
  ]

  test("shows the tokens and texts that training takes", async () => {
    const checked = await check("tokens.jsonl", jsonLines(rows), "--model", model)
    const { tokenisation } = await readModelFolder(model)
    const file = workspace.write("tokens.jsonl", jsonLines(rows))
    const trained = await readDataFile(file, tokenisation, { kind: "unpaired", maxLength: 2048 })
    const [text, messages, labelled] = trained.rows
    const { tokens } = checked.pairs[0]
    expect(tokens).toEqual({
      prompt: [...text!.promptIds],
      chosen: [...text!.chosenIds],
      rejected: [...text!.rejectedIds],
    })
    expect(checked.pairs[0].rendered).toEqual({ prompt: "a b", chosen: " yes", rejected: " no" })
    expect(checked.pairs[1].tokens.chosen).toEqual([...messages!.chosenIds])
    const { rendered } = checked.pairs[1]
    expect(tokenisation.encode(rendered.prompt)).toEqual([...messages!.promptIds])
    expect(rendered.chosen).toContain("good")
    expect(rendered.rejected).toContain("bad")
    expect(rendered.chosen.startsWith(rendered.prompt)).toBe(false)
    expect(checked.labelled[0].tokens.completion).toEqual([...labelled!.chosenIds])
    expect(checked.labelled[0]).toMatchObject({ row: 3, label: true, rendered: { prompt: "c", completion: " fine" } })
    expect(checked.dropped).toEqual([{ row: 4, reason: "template-refused", detail: expect.stringContaining("system") }])
  })

  test("prints them with boundaries and special tokens, a row a line", async () => {
    const file = workspace.write("shown.jsonl", jsonLines([{ prompt: "a\nb", chosen: " yes", rejected: " no\u200b" }]))
    const { code, printed } = await runYohaku("data", "check", file, "--model", model)
    expect(code).toBe(0)
    expect(printed).toContain("  prompt   ▏<s>a↵b▏ 4 tokens")
    expect(printed).toContain("  chosen   ▏ yes</s>▏ 5 tokens")
    expect(printed).toContain("▏ no\\u{200b}</s>▏")
    expect(printed).toContain("rows            1: 1 pairs of 1 prompts, 0 labelled, 0 responses")
  })
})
