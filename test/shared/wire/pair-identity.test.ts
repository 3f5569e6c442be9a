// A pair's name, a prompt's canonical form and its side of the split, over the families' templates.
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { inForm } from "#shared/judgement/prompt-form.ts"
import { type Message, type PairText, Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { canonicalPrompts, foldText, pairId, splitOf, textPairId } from "#shared/wire/pair-identity.ts"
import { SPECIAL_TOKENS, tokenizerJson } from "#test/shared/tokenisation/byte-level-tokenizer.ts"
import { type FamilyTemplate, GEMMA, LLAMA3, MISTRAL, QWEN2 } from "#test/shared/tokenisation/family-templates.ts"

const families = { GEMMA, LLAMA3, MISTRAL, QWEN2 }

const tokenisationOf = ({ specialTokens, bosToken, eosToken, template }: FamilyTemplate): Tokenisation => {
  const moreSpecialTokens = specialTokens.filter((token) => !(SPECIAL_TOKENS as readonly string[]).includes(token))
  return Tokenisation.fromFiles({
    tokenizerJson: tokenizerJson({ addsBos: false, moreSpecialTokens }),
    tokenizerConfigJson: { bos_token: bosToken ?? null, eos_token: eosToken, chat_template: template },
  })
}

const user = (content: string): Message => ({ role: "user", content })
const answers = { chosen: "yes", rejected: "no" }

const idsOf = (tokenisation: Tokenisation, pair: PairText) => {
  const tokenised = tokenisation.tokenisePair(pair, { maxLength: 10_000 })
  if (tokenised._tag === "Dropped") throw new Error(tokenised.reason)
  return tokenised
}

const promptIds = (tokenisation: Tokenisation, prompt: string | readonly Message[]) =>
  idsOf(
    tokenisation,
    typeof prompt === "string"
      ? { prompt, ...answers }
      : inForm({ prompt: prompt as never, ...answers }, { promptForm: "chat" }),
  ).promptIds

describe("a pair's name", () => {
  it("is the digest of dataset and token ids, whatever else the object holds", async () => {
    const ids = { promptIds: [5, 6], chosenIds: Uint32Array.of(7), rejectedIds: [8, 9] }
    const id = await pairId("support", ids)
    expect(id).toBe(await textPairId("support", { prompt: [5, 6], chosen: [7], rejected: [8, 9] }))
    expect(await pairId("support", { ...ids, weight: 2 } as typeof ids)).toBe(id)
    const swapped = { ...ids, chosenIds: [8, 9], rejectedIds: [7] }
    expect(new Set([id, await pairId("other", ids), await pairId("support", swapped)]).size).toBe(3)
  })

  it("of a pair without tokens is the digest of its texts", async () => {
    const text = { prompt: "Hi", chosen: "Hello", rejected: "No" }
    expect(await textPairId("support", text)).toBe("4d72beb6cbf359bdd6f8e40207b4ddef5d1bcf5b9f6b7f0a6721235c78976747")
    expect(await textPairId("support", { ...text, weight: 2 } as typeof text)).toBe(await textPairId("support", text))
  })
})

describe("the canonical form of a text", () => {
  it.each([
    ["cafe\u0301", "café"],
    ["\uff21\uff22\u3000\uff11", "AB 1"],
    ["\ufeffone\u200b two\u00ad", "one two"],
    [" \t one\r\n\u00a0two \u2003", "one two"],
    ["\u0085one\u0085\n\u2028two\u0085", "one two"],
    ["one\u001ftwo\u001f", "one\u001ftwo\u001f"],
    ["\ufb01ne", "fine"],
    ["Case Is Kept", "Case Is Kept"],
    ["入社案内C-19に承認は要りますか。", "入社案内C-19に承認は要りますか。"],
  ])("of %j is %j", (text, folded) => {
    expect(foldText(text)).toBe(folded)
  })

  it("is its own canonical form", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        expect(foldText(foldText(text))).toBe(foldText(text))
      }),
    )
  })
})

const SPACES = [" ", "  ", "\n", "\t", "\u00a0", "\u3000", "\u0085"]
const words = fc.array(fc.stringMatching(/^[a-zé가-힣ぁ-ん0-9?]{1,6}$/), { minLength: 1, maxLength: 6 })
const variant = fc
  .tuple(words, fc.array(fc.constantFrom(...SPACES), { minLength: 8, maxLength: 8 }), fc.constantFrom("NFC", "NFD"))
  .map(([some, spaces, form]) => ({
    text: some.join(" "),
    variant: `${spaces[6]}${some.map((word, index) => word + spaces[index % 6]).join("")}${spaces[7]}`.normalize(form),
  }))

describe.each(Object.entries(families))("over %s's template", (_, family) => {
  const tokenisation = tokenisationOf(family)
  const canonical = canonicalPrompts(tokenisation)

  it("a text, a conversation of it alone, and its variants in composition and white space are one prompt", () => {
    fc.assert(
      fc.property(variant, ({ text, variant: other }) => {
        const forms = [text, [user(text)], other, [user(other)]].map((prompt) =>
          canonical(promptIds(tokenisation, prompt)),
        )
        expect(new Set(forms)).toEqual(new Set([foldText(text)]))
      }),
      { numRuns: 60 },
    )
  })

  it("any two forms of one judgement are one pair in a dataset, where the token ids are equal", async () => {
    const message = (role: string, content: string) => [{ role, content }]
    const forms = [
      { prompt: "Why?", ...answers },
      { prompt: message("user", "Why?"), ...answers },
      { prompt: "Why?", chosen: message("assistant", "yes"), rejected: "no" },
      { prompt: message("user", "Why?"), chosen: message("assistant", "yes"), rejected: message("assistant", "no") },
    ]
    for (const promptForm of ["text", "chat"] as const) {
      const ids = await Promise.all(
        forms.map((form) => pairId("support", idsOf(tokenisation, inForm(form as never, { promptForm })))),
      )
      expect(new Set(ids).size).toBe(1)
    }
  })

  it("several turns are another prompt than the last alone", () => {
    const turns = [user("Why?"), { role: "assistant", content: "So." }, user("Why not?")]
    const [all, last] = [canonical(promptIds(tokenisation, turns)), canonical(promptIds(tokenisation, "Why not?"))]
    expect(last).toBe("Why not?")
    expect(all).toContain("Why?")
  })
})

it("the dataset's own system text is no part of a prompt, whether the prompt brings it or not; another is", () => {
  const tokenisation = tokenisationOf(QWEN2)
  const form = { promptForm: "chat", systemText: "Be brief." } as const
  const canonical = canonicalPrompts(tokenisation, form)
  const system = (content: string) => ({ role: "system", content })
  const of = (prompt: unknown) =>
    canonical(idsOf(tokenisation, inForm({ prompt: prompt as never, ...answers }, form)).promptIds)
  expect(of("Why?")).toBe("Why?")
  expect(of([system("Be brief."), user("Why?")])).toBe("Why?")
  expect(of([system("Be long."), user("Why?")])).toBe("system Be long. user Why? assistant")
})

it("the template's own system text is no part of a prompt", () => {
  const tokenisation = tokenisationOf(QWEN2)
  const canonical = canonicalPrompts(tokenisation)
  expect(canonical(promptIds(tokenisation, [{ role: "system", content: "Be helpful." }, user("Why?")]))).toBe("Why?")
})

it("a template that begins with the prompt frames it by what follows alone", () => {
  const template = "{% for message in messages %}{{ message['content'] + '\\n###' }}{% endfor %}"
  const tokenisation = tokenisationOf({ ...QWEN2, template })
  expect(canonicalPrompts(tokenisation)(promptIds(tokenisation, [user("Why?")]))).toBe("Why?")
})

describe("the split", () => {
  it("holds out a quarter of the prompts, the same ones always", async () => {
    const prompts = Array.from({ length: 2000 }, (_, index) => `prompt ${index}`)
    const splits = await Promise.all(prompts.map(splitOf))
    expect(splits.slice(0, 12).join(" ")).toBe(
      "train train train train held-out train train held-out train held-out train train",
    )
    expect(splits.filter((split) => split === "held-out")).toHaveLength(485)
  })
})
