// Forms that users of labelling tools reported to be misread elsewhere or were misread here, each with its right value by every way in.
import { describe, expect, test } from "vitest"
import { argillaWays, byFile, byWebhook, labelStudioData, labelStudioWays, type Outcome } from "./ways-in.ts"

const everyWay = (ways: Readonly<Record<string, Outcome>>, outcome: Outcome) => {
  for (const [way, found] of Object.entries(ways)) expect(found, way).toEqual(outcome)
}

const rating = (name: string, response: string, score: number) => {
  return { type: "rating", from_name: name, to_name: response, value: { rating: score } }
}
const pairwise = { type: "pairwise", from_name: "p", to_name: "answer_1,answer_2", value: { selected: "left" } }
const choices = (...picked: readonly string[]) => {
  return { type: "choices", from_name: "c", to_name: "answer_1", value: { choices: picked } }
}
const leftWins: Outcome = [["one", "two"]]

describe("a Label Studio form with two ratings of each response", () => {
  const results = [
    rating("helpful_1", "answer_1", 5),
    rating("helpful_2", "answer_2", 2),
    rating("style_1", "answer_1", 1),
    rating("style_2", "answer_2", 4),
  ]

  test("is refused with the controls to choose from", async () => {
    everyWay(await labelStudioWays({ results }), [
      "several answers could be meant: helpful_1 with helpful_2, style_1 with style_2; name the one to read in the mapping's `question`",
    ])
  })

  test("is read by the control or the criterion that `question` names, or the controls in `ratings`", async () => {
    for (const question of ["helpful", "helpful_1", "helpful_2"])
      everyWay(await labelStudioWays({ results, options: { question } }), leftWins)
    everyWay(await labelStudioWays({ results, options: { question: "style" } }), [["two", "one"]])
    const ratings = { answer_1: "style_1", answer_2: "style_2" }
    everyWay(await labelStudioWays({ results, options: { ratings } }), [["two", "one"]])
  })

  test("is refused too where the names of its controls tell no criteria", async () => {
    const unnumbered = [
      rating("good left", "answer_1", 5),
      rating("good right", "answer_2", 2),
      rating("short left", "answer_1", 1),
      rating("short right", "answer_2", 4),
    ]
    everyWay(await labelStudioWays({ results: unnumbered }), [
      "several controls rate one response: good left, good right, short left, short right; name one for each response in the mapping's `ratings`",
    ])
    const ratings = { answer_1: "good left", answer_2: "good right" }
    everyWay(await labelStudioWays({ results: unnumbered, options: { ratings } }), leftWins)
  })

  test("does not compare one criterion of the one response with the other criterion of the other", async () => {
    const half = [rating("helpful_1", "answer_1", 5), rating("style_2", "answer_2", 4)]
    everyWay(await labelStudioWays({ results: half }), ["no-judgement"])
  })

  test("takes one rating of each for one criterion, whatever its controls are called", async () => {
    const named = [
      ["first", "second"],
      ["answer_1_helpful", "answer_2_helpful"],
      ["rating_answer_1", "rating_answer_2"],
    ] as const
    for (const [left, right] of named)
      everyWay(
        await labelStudioWays({ results: [rating(left, "answer_1", 5), rating(right, "answer_2", 2)] }),
        leftWins,
      )
  })
})

describe("an Argilla form with ratings of the responses and of one criterion", () => {
  const fields = { prompt: "Q?", response_a: "one", response_b: "two" }
  const whole = { response_a_rating: 5, response_b_rating: 2 }
  const read = (values: Readonly<Record<string, unknown>>, options = {}) => argillaWays({ values, fields, options })

  test("is refused with the questions to choose from, however the criterion's are named", async () => {
    for (const [a, b] of [
      ["response_a_honest", "response_b_honest"],
      ["honest response_a", "honest response_b"],
    ] as const) {
      const values = { ...whole, [a]: 1, [b]: 4 }
      everyWay(await read(values), [
        `several answers could be meant: ${a} with ${b}, response_a_rating with response_b_rating; name the one to read in the mapping's \`question\``,
      ])
      everyWay(await read(values, { question: "response_a_rating" }), leftWins)
      for (const question of ["honest", a, b]) everyWay(await read(values, { question }), [["two", "one"]])
    }
  })

  test("leaves numbers alone that are about one response or about none", async () => {
    everyWay(await read({ ...whole, response_a_length: 3, prompt_quality: 1, response_ab: 2 }), leftWins)
  })

  test("takes one criterion alone only where `question` names it, since more of it may be worse", async () => {
    const values = { toxic_response_a: 5, toxic_response_b: 1 }
    everyWay(await read(values), ["no-judgement"])
    everyWay(await read(values, { question: "toxic" }), leftWins)
  })
})

describe("a choice beside Label Studio's Pairwise", () => {
  const beside = (...picked: readonly string[]) => ({ results: [pairwise, choices(...picked)] })

  test("is a tie of its quality when it says so", async () => {
    for (const bad of ["Both are bad", "both_bad", "Equally bad", "Neither is good"])
      everyWay(await labelStudioWays(beside(bad)), ["bad-quality"])
    for (const tie of ["Equally good", "Both are good", "Tie", "It's a tie", "Both are equal", "No preference"])
      everyWay(await labelStudioWays(beside(tie)), ["tie"])
    everyWay(await labelStudioWays(beside("tie", "Both are bad")), ["bad-quality"])
  })

  test("is refused by name where it may be about something else, unless it is mapped", async () => {
    for (const word of ["Bad", "Neither", "both", "equal", "the same", "About the same"]) {
      const [refusal] = (await labelStudioWays(beside(word))).webhook
      expect(refusal).toContain(
        `a choice beside the Pairwise control says ${JSON.stringify(word)}; say in the mapping's`,
      )
      everyWay(await labelStudioWays({ ...beside(word), options: { labels: { [word]: "tie" } } }), ["tie"])
      everyWay(await labelStudioWays({ ...beside(word), options: { question: "p" } }), [["one", "two"]])
    }
  })

  test("is what `labels` maps it to", async () => {
    const labels = { Rubbish: "both-bad", "Like both": "both-good", Draw: "tie", "The second": "answer_2" }
    const read = (picked: string) => labelStudioWays({ ...beside(picked), options: { labels } })
    everyWay(await read("Rubbish"), ["bad-quality"])
    everyWay(await read("Like both"), ["tie"])
    everyWay(await read("Draw"), ["tie"])
    everyWay(await read("The second"), [
      "several answers could be meant: c, p; name the one to read in the mapping's `question`",
    ])
    everyWay(await labelStudioWays({ ...beside("Rubbish"), options: { labels: { Rubbish: "answer_9" } } }), [
      'the mapping\'s `labels` has "answer_9" for "Rubbish", which is no response field, tie, both-good, both-bad, desirable or undesirable',
    ])
  })

  test("is refused by name when its meaning is unknown, and left alone when the control is named", async () => {
    everyWay(await labelStudioWays(beside("Hard to say")), [
      'a choice beside the Pairwise control says "Hard to say"; say in the mapping\'s `labels` what it means (a response field, tie, both-good or both-bad), or name the control to read in `question`',
    ])
    everyWay(await labelStudioWays({ ...beside("Hard to say"), options: { question: "p" } }), leftWins)
    const mapped = { question: "p", labels: { Draw: "tie" } }
    everyWay(await labelStudioWays({ ...beside("Draw"), options: mapped }), ["tie"])
    everyWay(await labelStudioWays({ ...beside("Both are bad"), options: { question: "c" } }), ["bad-quality"])
  })
})

describe("Label Studio's events", () => {
  const annotation = { id: 101, completed_by: 1, was_cancelled: false, result: [pairwise] }
  const event = (action: string, changes: object = {}) => {
    return { action, annotation: { ...annotation, ...changes }, task: { id: 1, data: labelStudioData } }
  }

  test("take an annotation back that is skipped after it was submitted", async () => {
    const skipped = event("ANNOTATION_UPDATED", { was_cancelled: true })
    expect(byWebhook("label-studio", event("ANNOTATION_CREATED"))).toEqual(leftWins)
    expect(byWebhook("label-studio", skipped)).toEqual(["discarded"])
    expect(await byFile(skipped)).toEqual(["discarded"])
  })

  test("give all annotations that were made in bulk, each of its own task", async () => {
    const many = {
      action: "ANNOTATIONS_CREATED",
      annotation: [
        { ...annotation, id: 201, task: 2 },
        { ...annotation, id: 202, task: 3, result: [{ ...pairwise, value: { selected: "right" } }] },
      ],
      task: [
        { id: 3, data: { prompt: "Q3?", answer_1: "good 3", answer_2: "bad 3" } },
        { id: 2, data: { prompt: "Q2?", answer_1: "good 2", answer_2: "bad 2" } },
      ],
    }
    const both: Outcome = [
      ["good 2", "bad 2"],
      ["bad 3", "good 3"],
    ]
    expect(byWebhook("label-studio", many)).toEqual(both)
    expect((await byFile(many)).toSorted()).toEqual(both.toSorted())
    expect(await byFile({ ...many, task: many.task.slice(0, 1) })).toEqual([
      "annotation.task is 2, and the task that came with it is 3; send each annotation with its own",
    ])
  })

  test("that delete nothing say so", async () => {
    expect(await byFile({ action: "ANNOTATIONS_DELETED", annotations: [] })).toEqual(["deleted"])
    expect(await byFile({ action: "ANNOTATION_DELETED", annotation: {} })).toEqual([
      "annotation.id is missing; give text or an integer",
    ])
    expect(await byFile(event("ANNOTATION_CREATED", { completed_by: true }))).toEqual([
      "completed_by must be non-empty text or an integer; correct it or leave it out",
    ])
  })
})

test("Label Studio's Ranker is read by webhook as by file", async () => {
  const items = ["a", "b", "c"].map((id) => ({ id, title: id, body: `body ${id}` }))
  const ranker = (order: unknown) => ({ type: "ranker", from_name: "r", to_name: "items", value: { ranker: order } })
  const read = (order: unknown) => labelStudioWays({ results: [ranker(order)], data: { prompt: "Q?", items } })
  everyWay(await read({ _: ["c", "a", "b"] }), [
    ["body a", "body b"],
    ["body c", "body a"],
    ["body c", "body b"],
  ])
  everyWay(await read({ good: ["c"], bad: ["a"] }), [
    "the annotation ranks into buckets, whose order is unknown; use <Ranker> without <Bucket>",
  ])
  everyWay(await read({ _: ["c", "z"] }), ["z was ranked, but the task has no such item"])
})

describe("an Argilla form", () => {
  const fields = { prompt: "What is tea?", response_a: "A drink.", response_b: "A rock." }
  const read = (values: Readonly<Record<string, unknown>>, options = {}) => argillaWays({ values, fields, options })
  const aWins: Outcome = [["A drink.", "A rock."]]
  const bWins: Outcome = [["A rock.", "A drink."]]

  test("has a multi-label answer that names both responses: it is no ranking beside a label", async () => {
    everyWay(await read({ acceptable: ["response_a", "response_b"], preference: "response_b" }), bWins)
  })

  test("has multi-label reasons before the label", async () => {
    everyWay(await read({ problems: ["too short", "no source"], preference: "response_a" }), aWins)
  })

  test("has a comment before the label", async () => {
    everyWay(await read({ comment: "b is off topic", preference: "response_a" }), aWins)
  })

  test("with two rankings, or a ranking beside a label, is refused with their names, and read by the one that is named", async () => {
    const ranked = (...order: readonly string[]) => order.map((value, index) => ({ value, rank: index + 1 }))
    const values = { quality: ranked("response_a", "response_b"), style: ranked("response_b", "response_a") }
    const refused = "several answers could be meant: quality, style; name the one to read in the mapping's `question`"
    everyWay(await read(values), [refused])
    everyWay(await read(values, { question: "quality" }), aWins)
    everyWay(await read(values, { question: "style" }), bWins)
    const { webhook, api } = await read({ ...values, style: "response_b" })
    expect([webhook, api]).toEqual([[refused], [refused]])
  })

  test("with two ratings of one response is refused with their names", async () => {
    const values = { response_a_rating: 4, rating_response_a: 2, response_b_rating: 3 }
    everyWay(await read(values), [
      "several questions rate one response: rating_response_a, response_a_rating, response_b_rating; name one for each response in the mapping's `ratings`",
    ])
    const ratings = { response_a: "rating_response_a", response_b: "response_b_rating" }
    everyWay(await read(values, { ratings }), bWins)
  })

  test("whose labels nobody knows is refused with them, and read by what `labels` says of them", async () => {
    everyWay(await read({ which: "The first" }), [
      'the record was labelled "The first", which is no field of it and no tie; use the responses\' field names ("response_a" and "response_b") as labels, or say in the mapping\'s `labels` what it means',
    ])
    everyWay(await read({ which: "The first" }, { labels: { "The first": "response_a" } }), aWins)
    everyWay(await read({ which: "Rubbish" }, { labels: { Rubbish: "both-bad" } }), ["bad-quality"])
  })

  test("exported with drafts among its answers gives the submitted ones", async () => {
    const answer = (value: string, user_id: string, status: string) => ({ value, user_id, status })
    const preference = [answer("response_a", "u1", "submitted"), answer("response_b", "u2", "draft")]
    expect(await byFile({ id: "r1", fields, responses: { preference } })).toEqual([...aWins, "draft"])
  })
})

test("a tie of responses that no rule finds is a tie in a file, and a webhook asks for their names", async () => {
  const fields = { prompt: "Q?", mine: "one", yours: "two" }
  const ways = await argillaWays({ values: { preference: "tie" }, fields })
  everyWay(ways, ["tie"])
  everyWay(await argillaWays({ values: { preference: "mine" }, fields }), [
    "mine was chosen, but no other field is named like it (response_a, response_b); name the compared fields in the mapping's `responses`",
  ])
  const options = { responses: ["mine", "yours"] }
  everyWay(await argillaWays({ values: { preference: "mine" }, fields, options }), [["one", "two"]])
})
