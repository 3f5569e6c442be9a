// Any form made of a tool's documented controls, its results in any order, is read alike by every way in: the same pairs, or the same
// refusal. And where several controls judge, nothing is guessed.
import fc from "fast-check"
import { expect, test } from "vitest"
import type { FormOptions } from "#shared/judgement/sources/annotation.ts"
import { argillaWays, byFile, labelStudioDelivery, labelStudioWays, type Outcome, servicePairs } from "./ways-in.ts"

const RUNS = 300

const isPairs = (outcome: Outcome): boolean => outcome.some((part) => typeof part !== "string")

const taught = (outcome: Outcome): unknown[] => outcome.filter((part) => typeof part !== "string").flat()

const shuffled = <A>(parts: readonly A[]) => fc.shuffledSubarray([...parts], { minLength: parts.length })

const optional = <A>(part: fc.Arbitrary<A>) => fc.option(part, { nil: undefined, freq: 2 })

// Label Studio

const items = ["x", "y", "z"].map((id) => ({ id, title: id, body: `body ${id}` }))
/** No answer, whatever is said about it. */
const context = "what the answers are about"
const labelStudioFields = { prompt: "Q?", context, answer_1: "one", answer_2: "two", answer_3: "three", items }
const answers = ["answer_1", "answer_2", "answer_3"]

const pairwise = fc
  .tuple(
    fc.constantFrom("left", "right"),
    fc.constantFrom("answer_1,answer_2", "answer_1,answer_2", "context,answer_1"),
  )
  .map(([selected, about]) => ({ type: "pairwise", from_name: "pw", to_name: about, value: { selected } }))
const CHOICES = ["answer_1", "ANSWER_2", "tie", "Both are bad", "Equally good", "science", "Bad", "both"]
const choices = fc
  .tuple(
    fc.subarray(CHOICES, { minLength: 1, maxLength: 2 }),
    fc.constantFrom("answer_1", "prompt", "answer_1,answer_2"),
  )
  .map(([picked, about]) => ({ type: "choices", from_name: "choice", to_name: about, value: { choices: picked } }))
const ratings = (criterion: string) =>
  fc.tuple(...[...answers, "context"].map(() => optional(fc.integer({ min: 1, max: 5 })))).map((scores) =>
    scores.flatMap((rating, index) =>
      rating === undefined
        ? []
        : {
            type: "rating",
            from_name: `${criterion}_${index + 1}`,
            to_name: answers[index] ?? "context",
            value: { rating },
          },
    ),
  )
const ranked = (order: readonly string[]) => {
  return { type: "ranker", from_name: "rank", to_name: "items", value: { ranker: { _: order } } }
}
const ranker = shuffled(["x", "y", "z"]).map(ranked)
/** Also what no list has, or has twice. */
const anyRanker = fc
  .array(fc.constantFrom("x", "y", "z", "context", "answer_1"), { minLength: 2, maxLength: 4 })
  .map(ranked)
const textarea = fc.constantFrom("tie", "answer_2", "hm").map((text) => {
  return { type: "textarea", from_name: "note", to_name: "answer_1", value: { text: [text] } }
})

const labelStudioOptions = fc.oneof(
  fc.constant<FormOptions>({}),
  fc.constantFrom("pw", "choice", "helpful", "style_2", "rank", "none").map((question): FormOptions => ({ question })),
  fc.constant<FormOptions>({ labels: { science: "both-good" } }),
  fc.constant<FormOptions>({ ratings: { answer_1: "style_1", answer_2: "helpful_2" } }),
)

const labelStudioResults = fc
  .tuple(
    optional(pairwise),
    optional(choices),
    optional(ratings("helpful")),
    optional(ratings("style")),
    optional(fc.oneof(ranker, anyRanker)),
    optional(textarea),
  )
  .map((controls) => controls.flat().filter((result) => result !== undefined))
  .chain((results) => fc.tuple(fc.constant(results), shuffled(results)))

test("any Label Studio form is read alike by webhook, by file and by export, in any order of its results", async () => {
  let withPairs = 0
  await fc.assert(
    fc.asyncProperty(labelStudioResults, labelStudioOptions, async ([results, others], options) => {
      const ways = await labelStudioWays({ results, data: labelStudioFields, options })
      const reordered = await labelStudioWays({ results: others, data: labelStudioFields, options })
      for (const outcome of [ways.file, ways.export, ...Object.values(reordered)]) expect(outcome).toEqual(ways.webhook)
      expect(taught(ways.webhook)).not.toContain(context)
      if (isPairs(ways.webhook)) withPairs += 1
    }),
    { numRuns: RUNS },
  )
  expect(withPairs).toBeGreaterThan(RUNS / 20)
})

test("a Label Studio form in which several controls judge gives no pair unless one of them is named", async () => {
  const sided = pairwise.map((side) => ({ ...side, to_name: "answer_1,answer_2" }))
  const judging = fc.tuple(sided, ranker).chain((both) => shuffled(both))
  await fc.assert(
    fc.asyncProperty(judging, optional(textarea), async (both, note) => {
      const results = note === undefined ? both : [...both, note]
      const { webhook } = await labelStudioWays({ results, data: labelStudioFields })
      expect(webhook).toEqual([
        "several answers could be meant: pw, rank; name the one to read in the mapping's `question`",
      ])
      const named = await labelStudioWays({ results, data: labelStudioFields, options: { question: "rank" } })
      expect(named.export).toHaveLength(3)
    }),
    { numRuns: 50 },
  )
})

const TEXTS = ["one", " one ", "two", "", " ", "three", "One"]
/** Nothing about the prompt is a response. */
test("what is said about the prompt makes no candidate of it", async () => {
  const rated = (name: string, response: string, rating: number) => ({
    type: "rating",
    from_name: name,
    to_name: response,
    value: { rating },
  })
  const results = [rated("r_1", "answer_1", 5), rated("r_2", "answer_2", 1), rated("r_3", "prompt", 2)]
  expect(await byFile(labelStudioDelivery({ results }))).toEqual([["one", "two"]])
  const asked = { type: "pairwise", from_name: "p", to_name: "prompt,answer_1", value: { selected: "left" } }
  expect(await byFile(labelStudioDelivery({ results: [asked] }))).toEqual(["no-judgement"])
})

const anyTexts = fc.tuple(...answers.map(() => fc.constantFrom(...TEXTS)))
const anyItems = fc.tuple(...answers.map(() => fc.constantFrom(...TEXTS)))

test("texts that are empty or the same give the service the pairs that they give a file, each once", async () => {
  let withPairs = 0
  await fc.assert(
    fc.asyncProperty(
      anyTexts,
      anyItems,
      fc.oneof(pairwise, ranker, ratings("helpful")),
      async (texts, bodies, some) => {
        const data = {
          prompt: "Q?",
          ...Object.fromEntries(answers.map((name, index) => [name, texts[index]])),
          items: items.map((item, index) => ({ ...item, body: bodies[index] })),
        }
        const delivery = labelStudioDelivery({ results: [some].flat(), data })
        const service = servicePairs(delivery)
        expect(service).toEqual(onlyPairs(await byFile(delivery)))
        if (service.length > 0) withPairs += 1
      },
    ),
    { numRuns: RUNS },
  )
  expect(withPairs).toBeGreaterThan(RUNS / 4)
})

/** Each once. */
const onlyPairs = (outcome: Outcome): Outcome => {
  const pairs = outcome.filter((part) => typeof part !== "string").map((pair) => JSON.stringify(pair))
  return [...new Set(pairs)].map((pair) => JSON.parse(pair))
}

// Argilla

const responses = ["response_a", "response_b", "response_c"]

const label = fc.constantFrom(...responses, "Response_B", "tie", "both bad", "good", "bad", "both")
const property = fc.constantFrom("safe", "unsafe")
const multiLabel = fc.subarray([...responses, "too short", "no source"], { minLength: 1 })
const argillaRecord = { prompt: "Q?", context, response_a: "one", response_b: "two", response_c: "three" }
const inRanks = (order: readonly string[]) => order.map((value, index) => ({ value, rank: index + 1 }))
const ranking = shuffled(responses).map(inRanks)
/** Also of what is no response, or of one response twice. */
const anyRanking = fc
  .array(fc.constantFrom(...responses, "context", "prompt"), { minLength: 2, maxLength: 4 })
  .map(inRanks)
const score = fc.integer({ min: 1, max: 7 })
const comment = fc.constantFrom("b is off topic", "hm", "", "bad")

interface Question {
  readonly type: "label" | "multi-label" | "ranking" | "rating" | "text"
  readonly name: string
  readonly value: unknown
}

const question = (type: Question["type"], name: string, value: fc.Arbitrary<unknown>) =>
  optional(value.map((given): Question => ({ type, name, value: given })))

const argillaForm = fc
  .tuple(
    question("label", "preference", label),
    question("label", "safety", property),
    question("multi-label", "acceptable", multiLabel),
    question("ranking", "order", fc.oneof(ranking, anyRanking)),
    question("ranking", "style", ranking),
    ...[...responses, "context"].map((name) => question("rating", `${name}_rating`, score)),
    question("text", "comment", comment),
  )
  .map((questions) => questions.filter((asked) => asked !== undefined))
  .filter((questions) => questions.length > 0)
  .chain((questions) => fc.tuple(fc.constant(questions), shuffled(questions)))

const valuesOf = (questions: readonly Question[]) =>
  Object.fromEntries(questions.map(({ name, value }) => [name, value]))

const isListOfResponses = ({ value }: Question): boolean =>
  Array.isArray(value) &&
  value.length > 1 &&
  value.some((place) => [...responses, "context"].includes(place.value ?? place))

/** An export writes a ranking like several labels. It can be told from them only if it is the one thing that may judge. */
const canTell = (questions: readonly Question[]): boolean => {
  const lists = questions.filter(isListOfResponses)
  const others = questions.filter(({ type, value }) => type === "rating" || (type === "label" && value !== "good"))
  return lists.length === 0 || (lists.length === 1 && lists[0]!.type === "ranking" && others.length === 0)
}

test("any Argilla form is read alike by webhook, by file and by the API's records, in any order of its answers", async () => {
  let withPairs = 0
  await fc.assert(
    fc.asyncProperty(argillaForm, async ([questions, others]) => {
      const ways = await argillaWays({ values: valuesOf(questions), fields: argillaRecord })
      const reordered = await argillaWays({ values: valuesOf(others), fields: argillaRecord })
      for (const outcome of [ways.file, ways.api, reordered.webhook, reordered.file, reordered.api])
        expect(outcome).toEqual(ways.webhook)
      if (canTell(questions)) expect([ways.export, reordered.export]).toEqual([ways.webhook, ways.webhook])
      for (const outcome of [ways.webhook, ways.export])
        for (const text of ["Q?", context]) expect(taught(outcome)).not.toContain(text)
      if (isPairs(ways.webhook)) withPairs += 1
    }),
    { numRuns: RUNS },
  )
  expect(withPairs).toBeGreaterThan(RUNS / 20)
})

test("the question that is named is read alike by every way in, exports too, whatever else was answered", async () => {
  const named = argillaForm.chain((form) =>
    fc.tuple(fc.constant(form), fc.constantFrom("preference", "order", "style")),
  )
  await fc.assert(
    fc.asyncProperty(named, async ([[questions, others], name]) => {
      const options = { question: name }
      const ways = await argillaWays({ values: valuesOf(questions), fields: argillaRecord, options })
      const reordered = await argillaWays({ values: valuesOf(others), fields: argillaRecord, options })
      for (const outcome of [...Object.values(ways), ...Object.values(reordered)]) expect(outcome).toEqual(ways.webhook)
    }),
    { numRuns: RUNS },
  )
})
