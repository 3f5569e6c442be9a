// A file of responses is gone on with where it was left, whatever a kill left of its last line; what was made from something else is not
// touched, and what differs is named.
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { openResponseFile, type ResponseOrigin, type StoredResponse } from "#gpu-runner/data/rows/response-file.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const file = workspace.at("responses.jsonl")
const IDS = ["a", "b", 3]
const ORIGIN: ResponseOrigin = { model: "0123456789ab".padEnd(64, "0"), adapter: null, temperature: 1, stop: ["\n"] }

const response = (text: string): StoredResponse => ({ text, tokens: 2, finishReason: "stop", sumLogProb: -1.5 })

/** Writes what is missing, as a run would; returns how many prompts' responses were there. */
function run(most = IDS.length, origin = ORIGIN): number {
  const { done, write, close } = openResponseFile(file, origin, IDS)
  for (const id of IDS.slice(done, most)) write(id, [response(`of ${id} 茶`)])
  close()
  return done
}

function fresh(): string {
  rmSync(file, { force: true })
  rmSync(`${file}.origin.json`, { force: true })
  expect(run()).toBe(0)
  return readFileSync(file, "utf8")
}

test("a line a prompt: id and responses", () => {
  const lines = fresh().trimEnd().split("\n")
  expect(lines.map((line) => JSON.parse(line))).toEqual(IDS.map((id) => ({ id, responses: [response(`of ${id} 茶`)] })))
})

test("cut off at any byte, the file becomes what it would have been", () => {
  const whole = fresh()
  const bytes = Buffer.from(whole)
  for (let length = 0; length <= bytes.length; length++) {
    writeFileSync(file, bytes.subarray(0, length))
    const wholeLines = bytes.subarray(0, length).filter((byte) => byte === 0x0a).length
    expect(run()).toBe(wholeLines)
    expect(readFileSync(file, "utf8")).toBe(whole)
  }
})

test.each([
  [{ model: "fedcba987654".padEnd(64, "0") }, "model 0123456789ab…, not fedcba987654…"],
  [{ adapter: "fedcba987654".padEnd(64, "0") }, "adapter null, not fedcba987654…"],
  [{ temperature: 0.5 }, "temperature 1, not 0.5"],
  [{ stop: [] }, 'stop ["\\n"], not []'],
])("made from something else than %j it is refused by name and left alone", (change, fault) => {
  const whole = fresh()
  expect(() => run(IDS.length, { ...ORIGIN, ...change })).toThrow(fault)
  expect(readFileSync(file, "utf8")).toBe(whole)
})

test("a file of unknown origin, or with other lines, is refused and left alone", () => {
  const whole = fresh()
  rmSync(`${file}.origin.json`)
  expect(() => run()).toThrow(/no responses\.jsonl\.origin\.json says what it was made from/)
  writeFileSync(`${file}.origin.json`, "{")
  expect(() => run()).toThrow(/cannot be read/)
  expect(readFileSync(file, "utf8")).toBe(whole)
  fresh()
  const swapped = whole
    .split("\n")
    .toSpliced(0, 2, ...whole.split("\n").slice(0, 2).reverse())
    .join("\n")
  writeFileSync(file, swapped)
  expect(() => run()).toThrow(/responses\.jsonl:1: the line is of id "b", here should be "a"/)
  writeFileSync(file, `${whole}${whole.split("\n")[0]}\n`)
  expect(() => run()).toThrow(/responses\.jsonl:4: the line is of id "a", here should be no more lines/)
  writeFileSync(file, `{]\n`)
  expect(() => run()).toThrow(/responses\.jsonl:1: the line is not JSON/)
})

test("two processes do not write one file", () => {
  fresh()
  rmSync(file)
  const one = openResponseFile(file, ORIGIN, IDS)
  const other = openResponseFile(file, ORIGIN, IDS)
  other.write("a", [response("x")])
  expect(() => one.write("a", [response("y")])).toThrow(/written to by another process/)
  one.close()
  other.close()
})
