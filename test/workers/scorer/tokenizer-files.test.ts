// The edge reads the same tokenizer files as the runner, so that one model's text becomes the same ids in both places.
import { beforeEach, expect, it } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { tinyTokenisation } from "./tiny-model.ts"
import { createDataset, deliver, model, only, receive, registerModel, startWorld, tokenIds } from "./world.ts"

beforeEach(startWorld)

const text = (content: string) => new TextEncoder().encode(content) as Uint8Array<ArrayBuffer>

/** Registers the tiny model with other files beside its weights. */
const registerWith = async (
  name: string,
  more: Readonly<Record<string, string>>,
  promptForm: "text" | "chat" = "text",
) => {
  const contents = {
    ...model.contents,
    ...Object.fromEntries(Object.entries(more).map(([file, content]) => [file, text(content)])),
  }
  const digests = Object.entries(contents).map(async ([file, bytes]) => [file, await sha256Hex(bytes)] as const)
  await registerModel(name, { contents, files: Object.fromEntries(await Promise.all(digests)) })
  await createDataset(name, name, { promptForm })
}

const configWithout = async (...keys: readonly string[]) => {
  const config = JSON.parse(new TextDecoder().decode(model.contents["tokenizer_config.json"])) as Record<
    string,
    unknown
  >
  return JSON.stringify(Object.fromEntries(Object.entries(config).filter(([key]) => !keys.includes(key))))
}

const chat = (better: string, worse: string): Comparison => ({
  externalId: "one",
  prompt: [{ role: "user", content: "hello" }],
  candidates: [
    { id: "a", response: [{ role: "assistant", content: better }] },
    { id: "b", response: [{ role: "assistant", content: worse }] },
  ],
  judgement: { kind: "choice", winner: "a" },
})

const template = (mark: string) =>
  `{% for m in messages %}${mark}{{ m.content }}${mark}{% endfor %}{% if add_generation_prompt %}${mark}{% endif %}`

it("chat_template.json is taken where nothing else has a template", async () => {
  const files = {
    "tokenizer_config.json": await configWithout("chat_template"),
    "chat_template.json": JSON.stringify({ chat_template: template("</s>") }),
  }
  await registerWith("json", files, "chat")
  await deliver(await receive([chat("the", "an")], "json"))
  const { prompt, chosen } = tokenIds(await only())
  expect(tinyTokenisation().decode(prompt)).toBe("</s>hello</s></s>")
  expect(tinyTokenisation().decode(chosen)).toBe("the</s>")
})

it("a turn's end that only generation_config.json names gets no EOS after it", async () => {
  await registerWith("ends", { "generation_config.json": JSON.stringify({ eos_token_id: [1, 2] }) })
  const ended: Comparison = {
    externalId: "one",
    prompt: "hello",
    candidates: [
      { id: "a", response: `the${tinyTokenisation().decode([2])}` },
      { id: "b", response: "an" },
    ],
    judgement: { kind: "choice", winner: "a" },
  }
  await deliver(await receive([ended], "ends"))
  const { chosen, rejected } = tokenIds(await only())
  expect([chosen.at(-1), chosen.includes(1), rejected.at(-1)]).toEqual([2, false, 1])
})

it("BOS and EOS that only special_tokens_map.json names are written by the template", async () => {
  const files = {
    "tokenizer_config.json": JSON.stringify({ chat_template: `{{ bos_token }}${template("{{ eos_token }}")}` }),
    "special_tokens_map.json": JSON.stringify({ bos_token: "<s>", eos_token: "</s>" }),
  }
  await registerWith("map", files, "chat")
  await deliver(await receive([chat("the", "an")], "map"))
  const { prompt, chosen } = tokenIds(await only())
  expect(tinyTokenisation().decode(prompt)).toBe("<s></s>hello</s></s>")
  expect(tinyTokenisation().decode(chosen)).toBe("the</s>")
})
