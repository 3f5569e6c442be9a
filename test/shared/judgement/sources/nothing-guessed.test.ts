// What could be meant in more than one way is refused by name in every way in, and nothing of a prompt is lost without a word.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { FormOptions } from "#shared/judgement/sources/annotation.ts"
import { argillaWays, byFile, labelStudioWays, type Outcome } from "./ways-in.ts"

const everyWay = (ways: Readonly<Record<string, Outcome>>, outcome: unknown) => {
  for (const [way, found] of Object.entries(ways)) expect(found, way).toEqual(outcome)
}
const refused = (...parts: readonly string[]) => [expect.stringMatching(new RegExp(parts.join(".*"), "s"))]

const result = (type: string, name: string, about: string, value: object) => ({
  ...{ type, from_name: name, to_name: about },
  value,
})
const rating = (name: string, about: string, score: number) => result("rating", name, about, { rating: score })
const choice = (name: string, about: string, ...picked: readonly string[]) =>
  result("choices", name, about, { choices: picked })
const pairwise = (about: string, selected: string) => result("pairwise", "pw", about, { selected })
const ranker = (...order: readonly string[]) => result("ranker", "rank", "items", { ranker: { _: order } })
const inRanks = (...order: readonly string[]) => order.map((value, index) => ({ value, rank: index + 1 }))

const fields = { prompt: "Q?", context: "CTX", response_a: "one", response_b: "two" }
const answers = { prompt: "Q?", context: "CTX", answer_1: "one", answer_2: "two" }
const argilla = (values: Readonly<Record<string, unknown>>, options: FormOptions = {}, record: object = fields) =>
  argillaWays({ values, fields: record, options })
const labelStudio = (results: readonly unknown[], options: FormOptions = {}, data: object = answers) =>
  labelStudioWays({ results, data, options })

describe("a ranking", () => {
  test("that places a response twice is refused, wherever the second place is", async () => {
    const names = ["x", "y", "z"]
    const order = fc
      .tuple(fc.shuffledSubarray(names, { minLength: 2 }), fc.nat(2), fc.nat(3))
      .map(([kept, again, at]) => kept.toSpliced(at, 0, kept[again % kept.length]!))
    await fc.assert(
      fc.asyncProperty(order, async (ranked) => {
        const items = names.map((id) => ({ id, body: `body ${id}` }))
        everyWay(await labelStudio([ranker(...ranked)], {}, { prompt: "Q?", items }), refused("was ranked twice"))
        const record = { prompt: "Q?", response_x: "1", response_y: "2", response_z: "3" }
        const order = inRanks(...ranked.map((name) => `response_${name}`))
        everyWay(await argilla({ order }, {}, record), refused("was ranked twice"))
      }),
      { numRuns: 50 },
    )
  })

  test("of the prompt or of the context among the responses is refused with the mend", async () => {
    everyWay(await argilla({ order: inRanks("prompt", "response_a", "response_b") }), refused('"prompt" was ranked'))
    const withContext = { order: inRanks("context", "response_a", "response_b") }
    everyWay(await argilla(withContext), refused("not all named alike", "`responses`"))
    everyWay(await labelStudio([ranker("context", "answer_1", "answer_2")]), refused("not all named alike"))
    everyWay(
      await labelStudio([ranker("prompt", "answer_1")]),
      refused("prompt was ranked, but the task has no such item"),
    )
    const mapped = await argilla(withContext, { responses: ["response_a", "response_b"] })
    everyWay(mapped, refused('names "context", which is none'))
  })

  test("of ids that two lists have is read in the list that is ranked, and else refused", async () => {
    const list = (name: string) => ["x", "y"].map((id) => ({ id, body: `${name} ${id}` }))
    const data = { prompt: "Q?", items: list("item"), sources: list("source") }
    everyWay(await labelStudio([ranker("x", "y")], {}, data), [["item x", "item y"]])
    const unnamed = { ...ranker("x", "y"), to_name: "a-list" }
    everyWay(await labelStudio([unnamed], {}, data), refused('"x" was ranked, and several items'))
    const same = { ...data, sources: data.items }
    everyWay(await labelStudio([unnamed], {}, same), [["item x", "item y"]])
  })
})

describe("ratings", () => {
  test("of the context beside those of the responses compare the responses alone", async () => {
    const rated = [rating("r_1", "context", 4), rating("r_2", "answer_1", 5), rating("r_3", "answer_2", 2)]
    everyWay(await labelStudio(rated), [["one", "two"]])
    everyWay(await labelStudio(rated, { responses: ["answer_1", "answer_2"] }), [["one", "two"]])
    everyWay(await labelStudio(rated.slice(0, 2)), ["no-judgement"])
    const values = { context_rating: 4, response_a_rating: 2, response_b_rating: 5 }
    everyWay(await argilla(values), [["two", "one"]])
    everyWay(await argilla({ context_rating: 4, response_a_rating: 2 }), ["no-judgement"])
  })

  test("of fields that are not named alike are refused, and read by `responses`", async () => {
    const record = { prompt: "Q?", mine: "one", yours: "two" }
    const values = { mine_rating: 4, yours_rating: 2 }
    everyWay(await argilla(values, {}, record), refused('ratings are of "mine" and "yours"', "`responses`"))
    everyWay(await argilla(values, { responses: ["mine", "yours"] }, record), [["one", "two"]])
    const rated = [rating("r_1", "mine", 4), rating("r_2", "yours", 2)]
    everyWay(await labelStudio(rated, {}, record), refused('ratings are of "mine" and "yours"', "`responses`"))
  })
})

describe("a Pairwise control", () => {
  const responses = ["answer_1", "answer_2"]

  test("of the context and an answer is refused, of two fields that are like no others not", async () => {
    everyWay(await labelStudio([pairwise("context,answer_1", "left")]), refused("not all named alike"))
    const other = { prompt: "Q?", mine: "one", yours: "two", model: "m" }
    everyWay(await labelStudio([pairwise("mine,yours", "right")], {}, other), [["two", "one"]])
  })

  test("that compares one of the mapping's responses with another field is refused, whichever side that is", async () => {
    for (const about of ["answer_2,other", "other,answer_1"])
      everyWay(
        await labelStudio([pairwise(about, "left")], { responses }),
        refused('"other" is none of the mapping\'s `responses`'),
      )
    everyWay(await labelStudio([pairwise("shown", "right")], { responses }), [["two", "one"]])
    everyWay(await labelStudio([pairwise("answer_2,answer_1", "left")], { responses }), [["two", "one"]])
  })

  test("of three fields, or of one twice, is refused", async () => {
    for (const about of ["answer_1,answer_2,answer_3", "answer_1,answer_1"])
      everyWay(await labelStudio([pairwise(about, "left")]), refused("are not two|is not two|are not two"))
  })
})

describe("a word that may be about anything", () => {
  const bare = fc.constantFrom("Bad", "bad", "Both", "neither", "Equal", "about the same")

  test("is no tie where it is said of one response or of the prompt, and one where it is said of both or mapped", async () => {
    await fc.assert(
      fc.asyncProperty(bare, fc.constantFrom("answer_1", "prompt", "context"), async (word, about) => {
        everyWay(await labelStudio([choice("q", about, word)]), refused(`labelled "${word}"`, "`labels`"))
        for (const ways of [
          await labelStudio([choice("q", "answer_1,answer_2", word)]),
          await labelStudio([choice("q", about, word)], { labels: { [word]: "tie" } }),
        ])
          everyWay(ways, [expect.stringMatching(/^(?:tie|bad-quality)$/)])
      }),
      { numRuns: 40 },
    )
    everyWay(await labelStudio([choice("q_1", "answer_1", "Bad"), choice("q_2", "answer_2", "Good")]), refused('"Bad"'))
  })

  test("is no tie in an Argilla answer either, unless `question` names it", async () => {
    await fc.assert(
      fc.asyncProperty(bare, async (word) => {
        everyWay(await argilla({ comment: word }), refused(`labelled "${word}"`, "`labels`"))
        const ties = [expect.stringMatching(/^(?:tie|bad-quality)$/)]
        everyWay(await argilla({ preference: word }, { question: "preference" }), ties)
      }),
      { numRuns: 20 },
    )
  })

  test("or a clear one beside the name of a response is no choice and no tie", async () => {
    for (const said of ["tie", "Both"])
      everyWay(await labelStudio([choice("q", "answer_1,answer_2", said, "answer_1")]), ["no-judgement"])
  })

  test("beside what judges is refused with both names", async () => {
    const rated = [rating("r_1", "answer_1", 5), rating("r_2", "answer_2", 2)]
    everyWay(
      await labelStudio([...rated, choice("q", "prompt", "Both")]),
      refused("several answers could be meant: q, r_1"),
    )
    everyWay(await labelStudio([...rated, choice("q", "prompt", "Both")], { question: "r_1" }), [["one", "two"]])
    const values = { comment: "bad", response_a_rating: 5, response_b_rating: 2 }
    everyWay(await argilla(values), refused("several answers could be meant: comment, response_a_rating"))
  })

  test("is a verdict on the only response where it is said of that one", async () => {
    const data = { prompt: "Q?", answer: "A." }
    for (const word of ["Good", "Bad"]) {
      everyWay(
        await labelStudio([choice("clarity", "prompt", word)], {}, data),
        refused(`labelled "${word}"`, "`labels`"),
      )
      const { webhook } = await labelStudio([choice("clarity", "answer", word)], {}, data)
      expect(webhook).toEqual(["verdict"])
    }
  })
})

describe("a prompt in two fields", () => {
  const answered = { preference: "response_a" }
  const two = fc.subarray(["prompt", "instruction", "question", "input"], { minLength: 2, maxLength: 2 })

  test("is refused with their names, read where the mapping names one, and joined where they are instruction and input", async () => {
    await fc.assert(
      fc.asyncProperty(two, async (names) => {
        const record = {
          ...Object.fromEntries(names.map((name) => [name, `the ${name}`])),
          response_a: "1",
          response_b: "2",
        }
        const isJoined = names.includes("instruction") && names.includes("input")
        const ways = await argilla(answered, {}, record)
        everyWay(ways, isJoined ? [["1", "2"]] : refused("the prompt could be", "`prompt`"))
        everyWay(await argilla(answered, { prompt: names[0]! }, record), [["1", "2"]])
        const same = Object.fromEntries(names.map((name) => [name, name === names[0] ? "the same " : "the same"]))
        everyWay(await argilla(answered, {}, { ...record, ...same }), [["1", "2"]])
        everyWay(await argilla(answered, {}, { ...record, [names[1]!]: "" }), [["1", "2"]])
        everyWay(await argilla(answered, {}, { ...record, [names[0]!]: null }), [["1", "2"]])
      }),
      { numRuns: 20 },
    )
  })
})

test("a label that names one of two families of fields is refused, unless it is the usual one or the control is about it", async () => {
  const models = { model_a: "gpt", model_b: "llama" }
  const usual = { ...fields, ...models }
  everyWay(await argilla({ which: "response_a" }, {}, usual), [["one", "two"]])
  everyWay(
    await argilla({ which: "model_a" }, {}, usual),
    refused("model_a was chosen", '"model_a" and "model_b"', "`responses`"),
  )
  const other = { prompt: "Q?", answer_1: "one", answer_2: "two", ...models }
  everyWay(await labelStudio([choice("c", "prompt", "answer_1")], {}, other), refused("answer_1 was chosen"))
  everyWay(await labelStudio([choice("c", "answer_2", "answer_1")], {}, other), [["one", "two"]])
  const mixed = { ...fields, response_1: "a column" }
  everyWay(await argilla({ which: "response_a" }, {}, mixed), refused("response_a was chosen", '"response_1"'))
})

test("three fields that could be the prompt, a half that is a conversation, and a prompt that is blank are no prompt", async () => {
  const answered = { preference: "response_a" }
  const rest = { response_a: "1", response_b: "2" }
  const three = { instruction: "a", input: "b", question: "c", ...rest }
  everyWay(await argilla(answered, {}, three), refused('the prompt could be "input" and "instruction" and "question"'))
  const turns = [{ role: "user", content: "a" }]
  for (const halves of [
    { instruction: turns, input: "b" },
    { instruction: "a", input: turns },
  ])
    everyWay(
      await argilla(answered, {}, { ...halves, ...rest }),
      refused('the prompt could be "input" and "instruction"'),
    )
  everyWay(await argilla(answered, {}, { instruction: 7, ...rest }), refused('"instruction" holds no text'))
})

test("the usual responses are response_a and response_b together: one of them beside another family is open", async () => {
  const record = { prompt: "Q?", response_a: "1", response_c: "2", answer_a: "3", answer_b: "4" }
  everyWay(await argilla({ which: "response_a" }, {}, record), refused("response_a was chosen, and what it was"))
})

test("two answers of one person to one question are refused, and another person's beside them is read", async () => {
  const answer = (value: string, user_id: string) => ({ value, user_id, status: "submitted" })
  const preference = [answer("response_a", "u1"), answer("response_b", "u1"), answer("response_b", "u2")]
  const nested = { id: "r", fields, responses: { preference } }
  const open = "responses.preference holds different answers of u1; keep one"
  expect(await byFile(nested)).toEqual([["two", "one"], open])
  const same = preference.with(1, preference[0]!)
  expect(await byFile({ ...nested, responses: { preference: same } })).toEqual([
    ["one", "two"],
    ["two", "one"],
  ])
  const lists = {
    "preference.responses": preference.map(({ value }) => value),
    "preference.responses.users": preference.map(({ user_id }) => user_id),
  }
  expect(await byFile({ id: "r", status: "completed", _server_id: "s", ...fields, ...lists })).toEqual([
    ["two", "one"],
    open,
  ])
})
