// The files beside tokenizer.json: each place of a chat template counts, is copied along, and broken ones are named.
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync } from "node:fs"
import path from "node:path"
import { afterAll, expect, test } from "vitest"
import { ModelFileMissing } from "#gpu-runner/data/errors.ts"
import { copyCompanionFiles } from "#gpu-runner/data/model/model-folder.ts"
import { readTokenizerFolder } from "#gpu-runner/data/model/tokenizer-folder.ts"
import { InvalidTokenizer } from "#shared/tokenisation/tokenisation.ts"
import {
  tokenizerConfigJson,
  tokenizerJson,
  USER,
  VOCABULARY_SIZE,
} from "#test/shared/tokenisation/byte-level-tokenizer.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

function folder(name: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  const { chat_template: _, ...config } = tokenizerConfigJson
  workspace.write(`${name}/tokenizer.json`, JSON.stringify(tokenizerJson()))
  workspace.write(`${name}/tokenizer_config.json`, JSON.stringify(config))
  for (const [file, content] of Object.entries(files)) workspace.write(`${name}/${file}`, content)
  return workspace.at(name)
}
const templateOf = (name: string, files: Readonly<Record<string, string>>) =>
  readTokenizerFolder(folder(name, files), VOCABULARY_SIZE).tokenisation.chatTemplate

test("the chat template is found in each of its files", () => {
  expect(templateOf("none", {})).toBeUndefined()
  expect(templateOf("jinja", { "chat_template.jinja": "a" })).toBe("a")
  expect(templateOf("json", { "chat_template.json": '{"chat_template":"b"}' })).toBe("b")
  expect(templateOf("more", { "additional_chat_templates/default.jinja": "c" })).toBe("c")
})

test("eos ids of generation_config.json end a turn", () => {
  const files = { "generation_config.json": `{"eos_token_id":[1,${USER}]}` }
  const { tokenisation } = readTokenizerFolder(folder("ends", files), VOCABULARY_SIZE)
  const result = tokenisation.tokeniseResponse({ prompt: "q", response: "a<|user|>" }, { maxLength: 9 })
  expect(result._tag === "Tokenised" && result.responseIds.at(-1)).toBe(USER)
  const outside = folder("outside", { "generation_config.json": '{"eos_token_id":99999}' })
  expect(() => readTokenizerFolder(outside, VOCABULARY_SIZE)).toThrow(/99999 is outside the vocabulary/)
})

test("missing and broken files are named", () => {
  const directory = folder("broken", { "chat_template.jinja": Uint8Array.of(0xff) })
  expect(() => readTokenizerFolder(directory, VOCABULARY_SIZE)).toThrow(InvalidTokenizer)
  expect(() => readTokenizerFolder(directory, VOCABULARY_SIZE)).toThrow(/chat_template\.jinja is not UTF-8/)
  expect(() => readTokenizerFolder(workspace.at("nowhere"), VOCABULARY_SIZE)).toThrow(ModelFileMissing)
})

test("a new model folder gets all of them", () => {
  const names = ["chat_template.json", "additional_chat_templates/tool_use.jinja", "generation_config.json"]
  const from = folder("from", Object.fromEntries(names.map((name) => [name, "{}"])))
  workspace.write("to/config.json", "{}")
  copyCompanionFiles(from, workspace.at("to"))
  expect(names.filter((name) => !existsSync(workspace.at("to", name)))).toEqual([])
})

test("a new model folder gets files where the old one has links, and again where it has them", () => {
  const from = folder("linked-to", { "config.json": '{"a":1}' })
  mkdirSync(workspace.at("links"))
  for (const name of ["config.json", "tokenizer.json"]) symlinkSync(path.join(from, name), workspace.at("links", name))
  for (const _ of ["first", "again"]) copyCompanionFiles(workspace.at("links"), workspace.at("copied"))
  expect(lstatSync(workspace.at("copied", "config.json")).isFile()).toBe(true)
  expect(readFileSync(workspace.at("copied", "config.json"), "utf8")).toBe('{"a":1}')
  expect(lstatSync(workspace.at("links", "config.json")).isSymbolicLink()).toBe(true)
})
