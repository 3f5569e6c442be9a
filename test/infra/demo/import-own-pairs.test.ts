// The demo's pairs, sent again as README says, in any form: no pair is new, and none changes its side of the split.
import { readFileSync } from "node:fs"
import path from "node:path"
import { expect, test } from "vitest"
import { expectedPairs, readTraffic } from "#infra/demo/loop/traffic.ts"
import type { Text } from "#shared/judgement/Comparison.ts"
import { type DerivedPair, derivePairs, type Judged } from "#shared/judgement/derive-pairs.ts"
import { inForm } from "#shared/judgement/prompt-form.ts"
import type { AnnotatedComparison, Reading } from "#shared/judgement/sources/annotation.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"
import { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { nearDuplicates } from "#shared/wire/near-duplicates.ts"
import { canonicalPrompts, pairId, splitOf } from "#shared/wire/pair-identity.ts"

const demo = path.resolve(import.meta.dirname, "../../../infra/demo")
const text = (name: string) => readFileSync(path.join(demo, "model", name), "utf8")
const tokenisation = Tokenisation.fromFiles({
  tokenizerJson: text("tokenizer.json"),
  tokenizerConfigJson: text("tokenizer_config.json"),
  generationConfigJson: text("generation_config.json"),
})
const canonical = canonicalPrompts(tokenisation)

const traffic = readTraffic(path.join(demo, "data/traffic.jsonl"))
const readers = { argilla: readArgillaEvent, "label-studio": readLabelStudioEvent }
const isComparison = (reading: Reading): reading is Reading & { readonly comparison: AnnotatedComparison } =>
  reading.kind === "comparison"

const pairs: readonly DerivedPair[] = traffic
  .filter(({ expect: expected }) => expected.outcome === "accepted")
  .flatMap(({ carrier, body }): readonly Judged[] =>
    carrier === "native"
      ? [body as unknown as Judged]
      : readers[carrier](body, {})
          .filter(isComparison)
          .map(({ comparison }) => comparison),
  )
  .flatMap((judged) => {
    const derived = derivePairs(judged)
    return derived.kind === "pairs" ? derived.pairs : []
  })

const contentOf = (said: Text) => (typeof said === "string" ? said : said[0]!.content)
const messages = (role: string, content: string) => [{ role, content }]
type Texts = Pick<DerivedPair, "prompt" | "chosen" | "rejected">
const forms: Readonly<Record<string, (pair: Texts) => unknown>> = {
  delivered: (pair) => pair,
  text: ({ prompt, chosen, rejected }) => ({
    prompt: contentOf(prompt),
    chosen: contentOf(chosen),
    rejected: contentOf(rejected),
  }),
  messages: ({ prompt, chosen, rejected }) => ({
    prompt: messages("user", contentOf(prompt)),
    chosen: messages("assistant", contentOf(chosen)),
    rejected: messages("assistant", contentOf(rejected)),
  }),
  decomposed: ({ prompt, chosen, rejected }) => ({
    prompt: ` ${contentOf(prompt).normalize("NFD")}\n`,
    chosen,
    rejected,
  }),
}

/** What the demo's dataset makes of them: it declares nothing, and its model has a template. */
const stored = async (form: string) =>
  new Map(
    await Promise.all(
      pairs.map(async (pair) => {
        const said = inForm(forms[form]!(pair) as Texts, { promptForm: "chat" })
        const tokenised = tokenisation.tokenisePair(said, { maxLength: 256 })
        if (tokenised._tag === "Dropped") throw new Error(tokenised.reason)
        const split = await splitOf(canonical(tokenised.promptIds))
        return [
          await pairId("demo", tokenised),
          { split, prompt: tokenised.promptIds, of: contentOf(pair.prompt) },
        ] as const
      }),
    ),
  )

const sidesOf = (all: Awaited<ReturnType<typeof stored>>) =>
  [...all.values()].map(({ of, split }) => `${split} ${of}`).toSorted()

test("sent again as text or as messages, the demo's pairs are the same pairs on the same sides", async () => {
  const delivered = await stored("delivered")
  expect(delivered.size).toBe(expectedPairs(traffic))
  const names = [...delivered.keys()].toSorted()
  for (const form of ["text", "messages"]) expect([...(await stored(form)).keys()].toSorted()).toEqual(names)
  const splits = Map.groupBy(delivered.values(), ({ split }) => split)
  expect([splits.get("train")!.length, splits.get("held-out")!.length]).toEqual([485, 157])
  const near = nearDuplicates(
    splits.get("train")!.map(({ prompt }) => prompt),
    splits.get("held-out")!.map(({ prompt }) => prompt),
  )
  expect(near.filter(Boolean)).toHaveLength(2)
})

test("and decomposed, with space around it, every prompt stays on its side", async () => {
  expect(sidesOf(await stored("decomposed"))).toEqual(sidesOf(await stored("delivered")))
})
