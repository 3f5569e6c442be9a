// What the families' chat templates make of a pair: where the prompt ends, what is scored, what is refused.
import { describe, expect, test } from "vitest"
import {
  ChatTemplateRefused,
  type Message,
  type PairText,
  Tokenisation,
  type TokenisationPolicy,
} from "#shared/tokenisation/tokenisation.ts"
import { SPECIAL_TOKENS, tokenizerJson, VOCABULARY_SIZE } from "./byte-level-tokenizer.ts"
import { type FamilyTemplate, GEMMA, LLAMA3, MISTRAL, OPEN_THOUGHTS, QWEN2, QWEN3 } from "./family-templates.ts"

const user = (content: string): Message => ({ role: "user", content })
const system = (content: string): Message => ({ role: "system", content })
const assistant = (content: string): Message => ({ role: "assistant", content })

function familyTokenisation(family: FamilyTemplate, generationEnds?: readonly string[]): Tokenisation {
  const more = family.specialTokens.filter((token) => !(SPECIAL_TOKENS as readonly string[]).includes(token))
  const idOf = (token: string) => VOCABULARY_SIZE + more.indexOf(token)
  return Tokenisation.fromFiles({
    tokenizerJson: tokenizerJson({ addsBos: false, moreSpecialTokens: more }),
    tokenizerConfigJson: {
      bos_token: family.bosToken ?? null,
      eos_token: family.eosToken,
      chat_template: family.template,
    },
    generationConfigJson: generationEnds && JSON.stringify({ eos_token_id: generationEnds.map(idOf) }),
  })
}

/** The pair as text again: what is prompt, and what is scored. */
function shown(family: FamilyTemplate, pair: PairText, policy: Partial<TokenisationPolicy> = {}) {
  const tokenisation = familyTokenisation(family)
  const result = tokenisation.tokenisePair(pair, { maxLength: 10_000, ...policy })
  if (result._tag === "Dropped") return result
  const { promptIds, chosenIds, rejectedIds } = result
  return {
    prompt: tokenisation.decode(promptIds),
    chosen: tokenisation.decode(chosenIds),
    rejected: tokenisation.decode(rejectedIds),
  }
}

const pair = { prompt: [user("Why?")], chosen: [assistant("So.")], rejected: [assistant("No.")] }
const withSystem = { ...pair, prompt: [system("Be brief."), ...pair.prompt] }

describe("Llama 3", () => {
  test("the header is prompt, and the answer ends with its turn, scored once", () => {
    expect(shown(LLAMA3, withSystem)).toEqual({
      prompt:
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\nBe brief.<|eot_id|>" +
        "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
      chosen: "So.<|eot_id|>",
      rejected: "No.<|eot_id|>",
    })
  })

  test("the authors' convention scores the four tokens of the header with the answer", () => {
    expect(shown(LLAMA3, pair, { responseIncludesHeader: true })).toMatchObject({
      prompt: expect.stringMatching(/Why\?<\|eot_id\|>$/),
      chosen: "<|start_header_id|>assistant<|end_header_id|>\n\nSo.<|eot_id|>",
    })
  })

  test("tokens do not depend on the day: the clock is hidden, and a date can be given", () => {
    expect(shown(LLAMA3, pair)).toMatchObject({ prompt: expect.stringContaining("Today Date: 26 Jul 2024") })
    const dated = { chatTemplateOptions: { date_string: "01 Jan 2026" } }
    expect(shown(LLAMA3, pair, dated)).toMatchObject({ prompt: expect.stringContaining("Today Date: 01 Jan 2026") })
    const clock = { ...LLAMA3, template: `{{ strftime_now('%d %b %Y') }}${LLAMA3.template}` }
    expect(() => shown(clock, pair)).toThrow(/tokens must not depend on the day/)
  })
})

describe("Mistral", () => {
  test("has no header: the answer follows [/INST] and ends with the EOS", () => {
    expect(shown(MISTRAL, pair)).toEqual({ prompt: "<s>[INST] Why?[/INST]", chosen: " So.</s>", rejected: " No.</s>" })
  })

  test("a system text that the template moves when an answer follows is a boundary mismatch", () => {
    const several = { ...withSystem, prompt: [system("Be brief."), user("a"), assistant("b"), user("Why?")] }
    // The whole conversation ends with an answer, so that no question is last any more: the system text is gone from it.
    expect(shown(MISTRAL, several)).toMatchObject({ _tag: "Dropped", reason: "boundary-mismatch" })
  })

  test("refuses roles that do not alternate, naming the mend", () => {
    expect(() => shown(MISTRAL, { ...pair, prompt: [user("a"), user("b")] })).toThrow(/merge neighbouring messages/)
  })
})

describe("Qwen", () => {
  test("Qwen2's own system turn stands once, since the whole conversation is templated", () => {
    expect(shown(QWEN2, pair)).toEqual({
      prompt: "<|im_start|>system\nBe helpful.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
      chosen: "So.<|im_end|>\n",
      rejected: "No.<|im_end|>\n",
    })
  })

  test("Qwen3's empty block of thoughts is scored with the answer by default, and prompt where thinking is off", () => {
    expect(shown(QWEN3, pair)).toMatchObject({
      prompt: "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
      chosen: "<think>\n\n</think>\n\nSo.<|im_end|>\n",
    })
    expect(shown(QWEN3, pair, { chatTemplateOptions: { enable_thinking: false } })).toMatchObject({
      prompt: "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
      chosen: "So.<|im_end|>\n",
      rejected: "No.<|im_end|>\n",
    })
  })

  test("Qwen3's thoughts are scored where the answer has them, in either of their places", () => {
    const scored = "<think>\nhm\n</think>\n\nSo.<|im_end|>\n"
    expect(shown(QWEN3, { ...pair, chosen: [assistant("<think>\nhm\n</think>\n\nSo.")] })).toMatchObject({
      chosen: scored,
    })
    const apart = [{ ...assistant("So."), reasoning_content: "hm" }]
    expect(shown(QWEN3, { ...pair, chosen: apart })).toMatchObject({ chosen: scored })
  })

  test("thoughts of earlier answers are stripped from prompt and whole alike", () => {
    const earlier = [user("a"), assistant("<think>\nold\n</think>\n\nb"), user("Why?")]
    expect(shown(QWEN3, { ...pair, prompt: earlier })).toMatchObject({
      prompt:
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
    })
  })

  test("thinking off and an answer that thinks is a boundary mismatch, which says what differs and the mend", () => {
    const thinking = { ...pair, chosen: [assistant("<think>\nhm\n</think>\n\nSo.")] }
    const result = shown(QWEN3, thinking, { chatTemplateOptions: { enable_thinking: false } })
    expect(result).toMatchObject({ reason: "boundary-mismatch", detail: expect.stringContaining("enable_thinking") })
  })

  test("a header that opens thoughts which the answer lacks is a boundary mismatch for every row", () => {
    const result = shown(OPEN_THOUGHTS, pair)
    expect(result).toMatchObject({ reason: "boundary-mismatch", detail: expect.stringContaining("<thi") })
  })
})

describe("Gemma", () => {
  test("answers as model, and ends the turn with a token that is not the EOS", () => {
    expect(shown(GEMMA, pair)).toEqual({
      prompt: "<bos><start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n",
      chosen: "So.<end_of_turn>\n",
      rejected: "No.<end_of_turn>\n",
    })
  })

  test("takes no system message, and says where to put its text", () => {
    expect(() => shown(GEMMA, withSystem)).toThrow(ChatTemplateRefused)
    expect(() => shown(GEMMA, withSystem)).toThrow(/System role not supported; .*start of the first user message/)
  })

  test("a turn's end that only generation_config.json names needs no EOS after it, also in plain text", () => {
    const ends = familyTokenisation(GEMMA, ["<eos>", "<end_of_turn>"])
    const plain = { prompt: "q", chosen: "So.<end_of_turn>", rejected: "No." }
    const texts = (tokenisation: Tokenisation) => {
      const result = tokenisation.tokenisePair(plain, { maxLength: 100 })
      if (result._tag === "Dropped") return result.reason
      return [result.chosenIds, result.rejectedIds].map((ids) => tokenisation.decode(ids))
    }
    expect(texts(ends)).toEqual(["So.<end_of_turn>", "No.<eos>"])
    expect(texts(familyTokenisation(GEMMA))).toEqual(["So.<end_of_turn><eos>", "No.<eos>"])
  })
})

test.each([
  ["Llama 3", LLAMA3],
  ["Mistral", MISTRAL],
  ["Qwen2", QWEN2],
  ["Qwen3", QWEN3],
  ["Gemma", GEMMA],
] as const)("%s: one-token answers are scored with their end, and the BOS stands at most once", (_, family) => {
  const result = familyTokenisation(family).tokenisePair(
    { prompt: [user("q")], chosen: [assistant("a")], rejected: [assistant("b")] },
    { maxLength: 1000 },
  )
  if (result._tag === "Dropped") throw new Error(result.reason)
  const bos = family.bosToken === undefined ? -1 : familyTokenisation(family).encode(family.bosToken)[0]!
  expect([...result.promptIds].filter((id) => id === bos)).toHaveLength(family.bosToken === undefined ? 0 : 1)
  expect(result.chosenIds.length).toBeGreaterThanOrEqual(2)
  expect([...result.chosenIds, ...result.rejectedIds]).not.toContain(bos)
})
