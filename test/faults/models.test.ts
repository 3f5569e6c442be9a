// Reported templates, tokenizers and model folders: `yohaku data check --model` shows the texts and tokens that would be learnt.
import { readFileSync, rmSync } from "node:fs"
import path from "node:path"
import { Tokenizer } from "tokenizers"
import { afterAll, describe, expect, test } from "vitest"
import { runYohaku } from "#test/gpu-runner/support/run-yohaku.ts"
import { createWorkspace, jsonLines, shard, TINY_FIELDS, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { SMALL_LLAMA_FIELDS } from "#test/reference/random-decoder.ts"
import {
  ASSISTANT,
  byteIds,
  EOS,
  tokenizerConfigJson,
  tokenizerJson,
  USER,
  VOCABULARY_SIZE,
} from "#test/shared/tokenisation/byte-level-tokenizer.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const read = (file: string) => readFileSync(path.join(import.meta.dirname, "inputs", file), "utf8")
const user = (content: string) => ({ role: "user", content })
const assistant = (content: string) => ({ role: "assistant", content })

/** A tiny model whose folder holds these files in place of its own; returns its path. */
function model(name: string, files: Readonly<Record<string, string>>, fields: object = {}): string {
  const own = { max_position_embeddings: 512, ...fields }
  const folder = writeTinyModel(workspace, name, 1, { ...SMALL_LLAMA_FIELDS, ...TINY_FIELDS, ...own })
  for (const [file, content] of Object.entries(files)) workspace.write(`${name}/${file}`, content)
  return folder
}

const templated = (name: string, chat_template: string): string =>
  model(name, { "tokenizer_config.json": JSON.stringify({ ...tokenizerConfigJson, chat_template }) })

/** The answer as it was printed, and read. */
async function check(folder: string, content: string) {
  const file = workspace.write("rows.jsonl", content)
  const { code, told, printed } = await runYohaku("data", "check", file, "--model", folder, "--json")
  expect({ code, told }).toEqual({ code: 0, told: "" })
  return { printed, ...JSON.parse(printed) }
}

interface TemplateCase {
  readonly template: string
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly tools: readonly object[] | null
  readonly "jinja2 (transformers' settings)": string
}

/** A reported template over its own conversation, whose last message is the chosen answer. What is rendered, and the case. */
async function rendered(file: string, rejected: string, after = "") {
  const reported = JSON.parse(read(file)) as TemplateCase
  const { template, messages, tools } = reported
  const row = {
    ...{ prompt: messages.slice(0, -1), chosen: messages.slice(-1), rejected: [assistant(rejected)] },
    ...(tools === null ? {} : { tools }),
  }
  const folder = templated(file, template + after)
  const { pairs, dropped } = await check(folder, jsonLines([row]))
  expect(dropped).toEqual([])
  return { right: reported["jinja2 (transformers' settings)"], pair: pairs[0] }
}

describe("templates render as jinja2 does", () => {
  test("row 11: lstrip takes only the characters it is given, and answers that differ in indentation are two", async () => {
    const { right, pair } = await rendered("11-template-strip-argument.json", "return 1")
    expect(right).toBe("<u>q<a>    return 1")
    expect(pair.rendered).toEqual({ prompt: "<u>q", chosen: "<a>    return 1", rejected: "<a>return 1" })
    expect(pair.tokens.prompt).toEqual(byteIds("<u>q"))
    expect(pair.tokens.chosen).toEqual([...byteIds("<a>    return 1"), EOS])
  })

  test("row 12: what a round wrote before continue is kept", async () => {
    const { right, pair } = await rendered("12-template-continue.json", "c")
    expect(right).toBe("ab!")
    expect(pair.rendered).toEqual({ prompt: "a", chosen: "b!", rejected: "c!" })
    expect(pair.tokens.chosen).toEqual([...byteIds("b!"), EOS])
  })

  test("row 13: True and None of tools are Python's words", async () => {
    // The reported template writes no message: behind it each is written, so that there are answers to compare.
    const messages = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    const { right, pair } = await rendered("13-template-true-none.json", "no", messages)
    expect(right).toBe("on=True;off=None;n=1;")
    expect(pair.rendered.prompt).toBe("on=True;off=None;n=1;<user>q")
    expect(pair.rendered.chosen).toBe("<assistant>    return 1")
  })

  test("row 15: a line end at a template's beginning is kept", async () => {
    const { right, pair } = await rendered("15-template-leading-newline.json", "no")
    expect(right).toBe("\n<user>q<assistant>    return 1")
    expect(pair.rendered).toEqual({
      prompt: "\n<user>q",
      chosen: "<assistant>    return 1",
      rejected: "<assistant>no",
    })
    expect(pair.tokens.prompt).toEqual(byteIds("\n<user>q"))
  })

  test("row 14: numbers of tool calls stay as they are written, printed or as JSON", async () => {
    const calls =
      "{% for c in m.tool_calls or [] %}{{ c.function.arguments }}|{{ c.function.arguments | tojson }}{% endfor %}"
    const folder = templated("14", `{% for m in messages %}<{{ m.role }}>{{ m.content }}${calls}{% endfor %}`)
    const { printed, pairs, dropped } = await check(folder, read("14-tool-call-numbers.jsonl"))
    expect(dropped).toEqual([])
    expect(pairs[0].rendered).toEqual({
      prompt: "<user>q",
      chosen:
        "<assistant>{'order': 12345678901234567890, 'rate': 1.0, 'eps': 1e-07}|" +
        '{"order": 12345678901234567890, "rate": 1.0, "eps": 1e-07}',
      rejected: "<assistant>no",
    })
    // JSON has one way less than Python to write the same float.
    expect(printed).toContain('"arguments":{"order":12345678901234567890,"rate":1.0,"eps":1e-7}')
  })
})

describe("tokenizers encode as the Rust library does", () => {
  const config = read("17-18-tokenizer_config.json")
  const folderOf = (name: string, tokenizer: string, vocab_size: number) =>
    model(
      name,
      { "tokenizer.json": tokenizer, "tokenizer_config.json": config },
      { vocab_size, bos_token_id: 1, eos_token_id: 2 },
    )
  const rust = async (tokenizer: string, text: string) =>
    (await Tokenizer.fromString(tokenizer).encode(text, null, { addSpecialTokens: false })).getIds()

  test("row 17: under Unigram with byte fallback line ends and unknown characters are their bytes", async () => {
    const tokenizer = read("17-unigram-byte-fallback.tokenizer.json")
    const rows = [
      { prompt: "", chosen: "a\nb", rejected: "a\tb" },
      { prompt: "", chosen: "a茶b", rejected: "a石b" },
      { prompt: "q", chosen: "茶", rejected: "石" },
    ]
    const { pairs, dropped } = await check(folderOf("17", tokenizer, 265), jsonLines(rows))
    expect(dropped).toEqual([])
    expect(pairs.map(({ tokens }: { tokens: object }) => tokens)).toEqual([
      { prompt: [1], chosen: [263, 13, 261, 2], rejected: [263, 12, 261, 2] },
      { prompt: [1], chosen: [263, 235, 143, 185, 261, 2], rejected: [263, 234, 162, 182, 261, 2] },
      { prompt: [1, 264], chosen: [235, 143, 185, 2], rejected: [234, 162, 182, 2] },
    ])
    expect(await rust(tokenizer, "a\nb")).toEqual([263, 13, 261])
    expect(await rust(tokenizer, "a茶b")).toEqual([263, 235, 143, 185, 261])
    expect(await rust(tokenizer, "q石")).toEqual([264, 234, 162, 182])
  })

  test("row 18: a response has the ids of the whole text after the prompt", async () => {
    const tokenizer = read("18-prefix-space.tokenizer.json")
    const rows = [
      { prompt: "Answer:", chosen: "yes", rejected: "A" },
      { prompt: "Answer:", chosen: " yes", rejected: " A" },
    ]
    const { pairs, dropped } = await check(folderOf("18", tokenizer, 276), jsonLines(rows))
    expect(dropped).toEqual([])
    const before = [259, 263, 264, 262, 265, 261, 266, 267]
    expect(pairs[0].tokens).toEqual({ prompt: [1, ...before], chosen: [269, 2], rejected: [263, 2] })
    expect(pairs[1].tokens).toEqual({ prompt: [1, ...before], chosen: [270, 2], rejected: [259, 263, 2] })
    expect(await rust(tokenizer, "Answer:yes")).toEqual([...before, 269])
    expect(await rust(tokenizer, "Answer: yes")).toEqual([...before, 270])
  })

  test("row 19: BOS and EOS that special_tokens_map.json alone names are the model's", async () => {
    const files = JSON.parse(read("19-special-tokens-map-only.json")) as Readonly<Record<string, object>>
    const marks = ["<|bos|>", "<|eos|>"]
    const [bos, eos] = [VOCABULARY_SIZE, VOCABULARY_SIZE + 1]
    const folder = model(
      "19",
      {
        "tokenizer.json": JSON.stringify(tokenizerJson({ addsBos: false, moreSpecialTokens: marks })),
        ...Object.fromEntries(
          ["special_tokens_map.json", "tokenizer_config.json"].map((name) => [name, JSON.stringify(files[name])]),
        ),
      },
      { vocab_size: VOCABULARY_SIZE + 2, bos_token_id: bos, eos_token_id: eos },
    )
    const row = { prompt: [user("q")], chosen: [assistant("answer")], rejected: [assistant("wrong")] }
    const { pairs } = await check(folder, jsonLines([row]))
    expect(pairs[0].rendered).toEqual({
      prompt: "<|bos|><|user|>q<|eos|><|assistant|>",
      chosen: "answer<|eos|>",
      rejected: "wrong<|eos|>",
    })
    expect(pairs[0].tokens).toEqual({
      prompt: [bos, USER, ...byteIds("q"), eos, ASSISTANT],
      chosen: [...byteIds("answer"), eos],
      rejected: [...byteIds("wrong"), eos],
    })
  })
})

describe("a model's files", () => {
  const pair = jsonLines([{ prompt: "q", chosen: "a", rejected: "b" }])
  const refusal = async (folder: string) => {
    const { code, printed, told } = await runYohaku(
      "data",
      "check",
      workspace.write("pair.jsonl", pair),
      "--model",
      folder,
    )
    expect({ code, printed }).toEqual({ code: 1, printed: "" })
    return told
  }

  const POINTER = read("44-lfs-pointer.safetensors")

  test("row 44: a Git LFS pointer in the place of the weights is said to be one, with the command that mends it", async () => {
    const folder = model("44", { "model.safetensors": POINTER })
    expect(await refusal(folder)).toBe(
      `yohaku data: ${folder}/model.safetensors: this is a Git LFS pointer, not the weights: run git lfs pull in the model folder`,
    )
  })

  test.each([
    ...["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"],
    ...["chat_template.jinja", "additional_chat_templates/rag.jinja", "model.safetensors.index.json"],
    // Read only where no other file has a template.
    "chat_template.json",
  ])("row 44: a Git LFS pointer in the place of %s is said to be one too", async (file) => {
    const { chat_template: _, ...config } = tokenizerConfigJson
    const untemplated = file === "chat_template.json" ? { "tokenizer_config.json": JSON.stringify(config) } : {}
    const folder = model(`44-${path.basename(file)}`, { ...untemplated, [file]: POINTER })
    if (file.endsWith(".index.json")) rmSync(path.join(folder, "model.safetensors"))
    expect(await refusal(folder)).toMatch(
      new RegExp(
        `${path.basename(file)} is a Git LFS pointer, not the file itself: run git lfs pull in the model folder$`,
      ),
    )
  })

  test("two shards that hold the same tensor are refused: which of the two counts would be chance", async () => {
    const folder = writeTinyModel(workspace, "twice")
    const single = readFileSync(path.join(folder, "model.safetensors"))
    shard(folder)
    workspace.write("twice/model-00002-of-00002.safetensors", single)
    expect(await refusal(folder)).toMatch(
      /model-00001-of-00002\.safetensors and model-00002-of-00002\.safetensors both hold .*; fetch the model folder again/,
    )
  })

  const neutral: [string, object, Readonly<Record<string, string>>?][] = [
    ["pretraining_tp 2", { pretraining_tp: 2 }],
    ["a left-over factor with rope type default", { rope_scaling: { rope_type: "default", factor: 2 } }],
    ["eos_token_id -1", { eos_token_id: -1 }],
    ["eos_token_id -1 of generation_config.json", {}, { "generation_config.json": '{"eos_token_id":-1}' }],
  ]
  test.each(neutral)("%s changes nothing, as in the reference implementation", async (name, fields, files = {}) => {
    const plain = await check(model("plain", {}), pair)
    const other = await check(model(name.replaceAll(" ", "-"), files, fields), pair)
    expect(other.printed).toBe(plain.printed)
  })
})
