// The promises of the demo's preference data: reproducible, readable, noisy as recorded, and learnable only by looking at the setting.
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import { ANNOTATORS } from "#infra/demo/recipe/comparisons.ts"
import { corpusRows, rowTexts } from "#infra/demo/recipe/corpus.ts"
import { documentOf, linesOf } from "#infra/demo/recipe/outputs.ts"
import { preferenceData, type TruthRow, tokenCounter } from "#infra/demo/recipe/preferences.ts"
import { answerWorth, HOME_SETTING, partWorth, type StylePart } from "#infra/demo/recipe/styles.ts"
import { SETTINGS, type Setting } from "#infra/demo/recipe/topics.ts"
import { Comparison } from "#shared/judgement/Comparison.ts"
import { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import {
  committedText,
  committedTokenizer,
  committedTraffic,
  committedTruth,
  contentIds,
  readDelivery,
  type Shown,
} from "./committed.ts"
import { accuracy, type Example, fitLogistic } from "./logistic-regression.ts"
import { TrigramModel } from "./trigram-model.ts"

const traffic = committedTraffic()
const truthById = new Map(committedTruth().map((row) => [row.id, row]))
const tokenizer = committedTokenizer()

/** Every delivery from which a pair follows, with its truth. */
const labelled: { readonly shown: Shown; readonly truth: TruthRow }[] = traffic
  .filter(
    ({ expect: { outcome }, expect: expected }) => outcome === "accepted" && "pairs" in expected && expected.pairs,
  )
  .map((event) => ({ shown: readDelivery(event), truth: truthById.get(event.id)! }))

describe("the traffic", () => {
  test("is made again byte for byte from the recorded seed and the committed tokenizer", async () => {
    const made = preferenceData(await tokenCounter())
    expect(linesOf(made.traffic)).toBe(committedText("data/traffic.jsonl"))
    expect(linesOf(made.truth)).toBe(committedText("data/truth.jsonl"))
    expect(documentOf(made.summary)).toBe(committedText("data/summary.json"))
  })

  test("carries every comparison once, with its own prompt, as its annotator labelled it", () => {
    expect(labelled.length).toBe(truthById.size)
    expect(new Set(labelled.map(({ shown }) => shown.prompt)).size).toBe(642)
    for (const { shown, truth } of labelled) {
      const annotator = ANNOTATORS.find(({ name }) => name === truth.annotator)!
      expect([annotator.name, annotator.labelStudioId]).toContain(shown.annotator)
      expect({ ...shown, annotator: 0, prompt: "", responses: [] }).toEqual({
        externalId: truth.id,
        prompt: "",
        responses: [],
        setting: truth.setting,
        annotator: 0,
        chosen: truth.labelled,
      })
    }
  })

  test("comes by all three carriers, each with at least a quarter of it", () => {
    for (const carrier of ["argilla", "label-studio", "native"]) {
      expect(traffic.filter((event) => event.carrier === carrier).length).toBeGreaterThan(traffic.length / 4)
    }
  })

  test("has native comparisons that the domain's schema accepts, but for the one with an unknown field", () => {
    const decode = Schema.decodeUnknownExit(Comparison, { onExcessProperty: "error" })
    for (const { carrier, body, expect: expected } of traffic) {
      if (carrier !== "native") continue
      const isMisspelt = expected.outcome === "rejected" && expected.reason === "unknown-field"
      expect(decode(body)._tag).toBe(isMisspelt ? "Failure" : "Success")
    }
  })

  test("contains each kind of mishap, with what makes it one", () => {
    const reasons = traffic.flatMap(({ expect: expected }) =>
      expected.outcome === "rejected" ? [expected.reason] : [],
    )
    expect(reasons.sort()).toEqual([
      ...["empty-response", "empty-response", "identical-responses", "identical-responses"],
      ...["invalid-signature", "invalid-signature", "unknown-candidate", "unknown-field"],
    ])
    for (const event of traffic) {
      const { responses, chosen } = readDelivery(event)
      const reason = event.expect.outcome === "rejected" ? event.expect.reason : undefined
      expect(responses.includes("")).toBe(reason === "empty-response")
      expect(responses[0] === responses[1]).toBe(reason === "identical-responses")
      expect(event.sign === "wrong").toBe(reason === "invalid-signature")
      if (event.expect.outcome === "accepted") expect(chosen !== undefined).toBe(event.expect.pairs === 1)
    }
    expect(traffic.filter(({ expect: { outcome } }) => outcome === "ignored").length).toBe(2)
  })

  test("repeats one delivery of each carrier byte for byte, after the first", () => {
    const seen = new Map<string, string>()
    const repeated: string[] = []
    for (const { id, carrier, body, expect: expected } of traffic) {
      if (expected.outcome === "duplicate") {
        repeated.push(carrier)
        expect(JSON.stringify(body)).toBe(seen.get(id))
      }
      seen.set(id, JSON.stringify(body))
    }
    expect(repeated.sort()).toEqual(["argilla", "label-studio", "native"])
  })

  test("keeps prompt and response within 96 tokens, about 60 in the mean", async () => {
    const countTokens = await tokenCounter()
    const lengths = labelled.flatMap(({ shown }) => shown.responses.map((text) => countTokens(shown.prompt, text)))
    expect(Math.max(...lengths)).toBeLessThanOrEqual(96)
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length
    expect(mean).toBeGreaterThan(50)
    expect(mean).toBeLessThan(62)
  })

  test("tokenises without a drop by the product's own rules, as chat and as plain text, to the lengths counted", async () => {
    const countTokens = await tokenCounter()
    const tokenisation = Tokenisation.fromFiles({
      tokenizerJson: committedText("model/tokenizer.json"),
      tokenizerConfigJson: committedText("model/tokenizer_config.json"),
    })
    for (const { shown } of labelled) {
      const [chosen, rejected] = shown.responses
      const turn = (role: string, content: string) => [{ role, content }]
      const chat = tokenisation.tokenisePair(
        {
          prompt: turn("user", shown.prompt),
          chosen: turn("assistant", chosen),
          rejected: turn("assistant", rejected),
        },
        { maxLength: 96, overflow: "error" },
      )
      const plain = tokenisation.tokenisePair({ prompt: shown.prompt, chosen, rejected }, { maxLength: 96 })
      if (chat._tag !== "Tokenised" || plain._tag !== "Tokenised") throw new Error(`dropped: ${shown.externalId}`)
      expect(chat.promptIds.length + chat.chosenIds.length).toBe(countTokens(shown.prompt, chosen))
      expect(chat.promptIds.length + chat.rejectedIds.length).toBe(countTokens(shown.prompt, rejected))
      expect([plain.promptIds[0], plain.chosenIds.at(-1), chat.chosenIds.at(-1)]).toEqual([0, 1, 4])
      expect(plain.chosenIds.slice(0, -1)).toEqual(chat.chosenIds.slice(0, -1))
    }
  })

  test("asks nothing that the corpus asks", () => {
    const asked = new Set(traffic.map((event) => readDelivery(event).prompt))
    for (const row of corpusRows()) expect(asked.has(rowTexts(row)[0]!)).toBe(false)
  })
})

describe("the labels", () => {
  test("are wrong in 10 to 15 of 100 comparisons, as recorded", () => {
    const flipped = [...truthById.values()].filter((row) => row.flipped)
    for (const row of truthById.values()) expect(row.flipped).toBe(row.better !== row.labelled)
    const summary = JSON.parse(committedText("data/summary.json")) as { noiseRate: number; flipped: number }
    expect(flipped.length).toBe(summary.flipped)
    expect(summary.noiseRate).toBe(flipped.length / truthById.size)
    expect(summary.noiseRate).toBeGreaterThanOrEqual(0.05)
    expect(summary.noiseRate).toBeLessThanOrEqual(0.1)
  })

  test("follow the setting's rule where they are right, by a worth of at least 3", () => {
    for (const { better, worth, parts, setting } of truthById.values()) {
      expect(parts.map((side) => answerWorth(new Set(side as StylePart[]), setting as Setting))).toEqual(worth)
      expect(worth[better] - worth[better === 0 ? 1 : 0]).toBeGreaterThanOrEqual(3)
    }
  })

  test("value every part so that the three settings cancel out", () => {
    for (const part of Object.keys(HOME_SETTING) as StylePart[]) {
      expect(SETTINGS.reduce((sum, setting) => sum + partWorth(part, setting), 0)).toBe(0)
    }
  })
})

/** Token presence in the first answer minus the second, and the difference in length, each perhaps tied to the setting. */
function examplesOf(canSeeSetting: boolean): Example[] {
  return labelled.map(({ shown, truth }) => {
    const prefix = canSeeSetting ? `${truth.setting}:` : ""
    const [first, second] = shown.responses.map((text) => contentIds(tokenizer, text)) as [number[], number[]]
    const features = new Map<string, number>([[`${prefix}length`, (first.length - second.length) / 20]])
    const [inFirst, inSecond] = [new Set(first), new Set(second)]
    for (const id of inFirst) if (!inSecond.has(id)) features.set(`${prefix}${id}`, 1)
    for (const id of inSecond) if (!inFirst.has(id)) features.set(`${prefix}${id}`, -1)
    return { features, isFirstChosen: truth.labelled === 0 }
  })
}

/** Accuracy on noisy labels of the four quarters, each held out in turn. */
function heldOutAccuracy(examples: readonly Example[]): number {
  const accuracies = [0, 1, 2, 3].map((quarter) => {
    const weights = fitLogistic(examples.filter((_, index) => index % 4 !== quarter))
    const heldOut = examples.filter((_, index) => index % 4 === quarter)
    return accuracy(weights, heldOut)
  })
  return accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length
}

describe("what can be learned from the data", () => {
  test("a rule that sees the setting is right on over 80 % of the held-out noisy labels", () => {
    expect(heldOutAccuracy(examplesOf(true))).toBeGreaterThan(0.8)
  })

  test("a rule that ignores the setting cannot exceed 65 % on them", () => {
    expect(heldOutAccuracy(examplesOf(false))).toBeLessThan(0.65)
  })

  test("neither the shorter nor the first answer is preferred: between 43 and 57 %", () => {
    const share = (isTrue: (entry: (typeof labelled)[number]) => boolean): number =>
      labelled.filter(isTrue).length / labelled.length
    const shorter = share(({ shown: { responses }, truth: { labelled: side } }) => {
      return contentIds(tokenizer, responses[side]).length < contentIds(tokenizer, responses[side === 0 ? 1 : 0]).length
    })
    const first = share(({ truth }) => truth.labelled === 0)
    for (const value of [shorter, first]) {
      expect(value).toBeGreaterThan(0.43)
      expect(value).toBeLessThan(0.57)
    }
  })

  test("a language model of the corpus has no preference: 40 to 60 % by mean log-prob", () => {
    const model = new TrigramModel(tokenizer.get_vocab(true).size)
    for (const row of corpusRows(undefined, 8000)) model.add([...contentIds(tokenizer, rowTexts(row)[1]!), 4])
    const right = labelled.filter(({ shown: { responses }, truth: { labelled: side } }) => {
      const [first, second] = responses.map((text) => model.meanLogProb([...contentIds(tokenizer, text), 4])) as [
        number,
        number,
      ]
      return side === 0 ? first > second : second > first
    })
    expect(right.length / labelled.length).toBeGreaterThan(0.4)
    expect(right.length / labelled.length).toBeLessThan(0.6)
  })
})
