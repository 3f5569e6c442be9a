// The held-out split: by prompt, never the same prompt on both sides, the same whatever the order.
import fc from "fast-check"
import { expect, test } from "vitest"
import { UnusableConfig } from "#gpu-runner/trainer/errors.ts"
import { heldOutLeaks } from "#gpu-runner/trainer/rows/held-out-leaks.ts"
import { canonicalPromptOfRows, splitByPrompt } from "#gpu-runner/trainer/rows/held-out-split.ts"
import { type ResponseText, Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { tokenizerJson } from "#test/shared/tokenisation/byte-level-tokenizer.ts"

const row = (prompt: number, id: number) => ({
  id: `row-${id}`,
  promptIds: Uint32Array.of(prompt, 7),
  chosenIds: Uint32Array.of(1),
  rejectedIds: Uint32Array.of(2),
  weight: 1,
})
const byIds = ({ promptIds }: { readonly promptIds: Uint32Array }) => promptIds.join()
const prompts = (rows: readonly { promptIds: Uint32Array }[]) => new Set(rows.map(({ promptIds }) => promptIds[0]!))

test("no prompt stands on both sides, every row on one, and the held-out side is no larger than it must be", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 30 }), { minLength: 2, maxLength: 80 }),
      fc.double({ min: 0.01, max: 0.6, noNaN: true }),
      (promptOfRow, share) => {
        fc.pre(new Set(promptOfRow).size > 1)
        const rows = promptOfRow.map(row)
        const largest = Math.max(...[...prompts(rows)].map((p) => promptOfRow.filter((other) => other === p).length))
        fc.pre(share * rows.length + largest < rows.length)
        const { train, heldOut } = splitByPrompt(rows, share, byIds)
        expect([...prompts(train)].filter((prompt) => prompts(heldOut).has(prompt))).toEqual([])
        expect([...train, ...heldOut].map(({ id }) => id).sort()).toEqual(rows.map(({ id }) => id).sort())
        expect(heldOut.length).toBeGreaterThanOrEqual(share * rows.length)
        expect(heldOut.length).toBeLessThan(share * rows.length + largest)
        const turned = splitByPrompt(rows.toReversed(), share, byIds)
        expect(turned.heldOut.map(({ id }) => id)).toEqual(heldOut.map(({ id }) => id).reverse())
      },
    ),
  )
})

test("a share that would hold out everything is refused", () => {
  expect(() => splitByPrompt([row(1, 1), row(1, 2)], 0.1, byIds)).toThrow(UnusableConfig)
  expect(() => splitByPrompt([row(1, 1), row(1, 2)], 0.1, byIds)).toThrow(
    /leaves nothing to train on: the data has 1 prompts/,
  )
})

test("prompts of one canonical form are one, and stand where the least of their ids' digests puts them", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 30 }), { minLength: 4, maxLength: 60 }),
      fc.integer({ min: 2, max: 4 }),
      (promptOfRow, forms) => {
        const rows = promptOfRow.map(row)
        const canonical = ({ promptIds }: { readonly promptIds: Uint32Array }) =>
          String(Math.floor(promptIds[0]! / forms))
        fc.pre(new Set(rows.map(canonical)).size > 1)
        const largest = Math.max(
          ...rows.map((one) => rows.filter((other) => canonical(one) === canonical(other)).length),
        )
        fc.pre(0.3 * rows.length + largest < rows.length)
        const { train, heldOut } = splitByPrompt(rows, 0.3, canonical)
        const held = new Set(heldOut.map(canonical))
        expect(train.filter((one) => held.has(canonical(one)))).toEqual([])
        expect(train.length + heldOut.length).toBe(rows.length)
        expect(heldOutLeaks(train, heldOut, canonical).filter(({ prompt }) => prompt === "same")).toEqual([])
      },
    ),
  )
})

test("a file's prompts as text and as conversations, composed or not, stand on one side, whatever the header belongs to", () => {
  const tokenisation = Tokenisation.fromFiles({
    tokenizerJson: tokenizerJson(),
    tokenizerConfigJson: {
      ...{ bos_token: "<s>", eos_token: "</s>" },
      chat_template:
        "{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
    },
  })
  const texts = Array.from({ length: 20 }, (_, index) => `caf\u00e9 ${index}?`)
  for (const responseIncludesHeader of [false, true]) {
    const policy = { maxLength: 100, responseIncludesHeader }
    const idsOf = (text: ResponseText) => {
      const tokenised = tokenisation.tokeniseResponse(text, policy)
      if (tokenised._tag === "Dropped") throw new Error(tokenised.reason)
      return tokenised.promptIds
    }
    const rows = texts.flatMap((text, index) => {
      const chat = (content: string) =>
        idsOf({ prompt: [{ role: "user", content }], response: [{ role: "assistant", content: "a" }] })
      const forms = [idsOf({ prompt: text, response: "a" }), chat(text), chat(` ${text.normalize("NFD")}\n`)]
      return forms.map((promptIds, form) => ({ ...row(0, index), id: `${index}/${form}`, promptIds }))
    })
    const canonical = canonicalPromptOfRows({ tokenisation }, { responseIncludesHeader, chatTemplateOptions: {} })
    const { heldOut } = splitByPrompt(rows, 0.25, canonical)
    expect(heldOut).toHaveLength(15)
    expect(new Set(heldOut.map(({ id }) => id.split("/")[0])).size).toBe(5)
  }
})

test("without variants the split is that of the ids' digests, as it always was", () => {
  const rows = Array.from({ length: 12 }, (_, prompt) => row(prompt, prompt))
  expect(splitByPrompt(rows, 0.25, byIds).heldOut.map(({ id }) => id)).toEqual(["row-2", "row-4", "row-7"])
})
