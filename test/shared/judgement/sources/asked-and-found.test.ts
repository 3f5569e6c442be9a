// A mapping that fits no part of what came is told with both sides: what it asks for, and what is there to be named instead.
import { expect, test } from "vitest"
import type { FormOptions } from "#shared/judgement/sources/annotation.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"

const fields = { prompt: "Tea?", answer1: "A drink.", answer2: "A rock." }
const rating = (name: string, to: string) => ({ type: "rating", from_name: name, to_name: to, value: { rating: 4 } })
const pairwise = { type: "pairwise", from_name: "pw", to_name: "answer1,answer9", value: { selected: "left" } }
const comment = { type: "textarea", from_name: "why", to_name: "prompt", value: { text: ["so"] } }

const labelStudio = (result: readonly object[], options: FormOptions) =>
  readLabelStudioEvent(
    { action: "ANNOTATION_CREATED", annotation: { id: 1, result }, task: { id: 2, data: fields } },
    options,
  )

const argilla = (values: object, options: FormOptions) =>
  readArgillaEvent(
    { type: "response.created", data: { id: "r", status: "submitted", values, record: { id: "x", fields } } },
    options,
  )

const two = [rating("helpful_1", "answer1"), rating("helpful_2", "answer2"), comment]

test.each([
  [
    "a control that `question` asks for",
    () => labelStudio(two, { question: "style" }),
    'no result can be read as a judgement: the mapping\'s `question` asks for "style", and the annotation holds "helpful_1" and "helpful_2" and "why"; name one that is there',
  ],
  [
    "controls that `ratings` asks for, of which one is there",
    () => labelStudio(two, { ratings: { answer1: "helpful_1", answer2: "style_2" } }),
    'the mapping\'s `ratings` asks for "helpful_1" and "style_2", and the annotation holds "helpful_1" and "helpful_2" and "why"; name one that is there',
  ],
  [
    "any control that compares",
    () => labelStudio([comment], {}),
    'the annotation compares nothing: the annotation holds "why"; name the compared fields',
  ],
  [
    "a field of the task",
    () => labelStudio([pairwise], {}),
    'the record\'s field "answer9" holds no text; name the right field in the mapping: the record has "answer1" and "answer2" and "prompt"',
  ],
  [
    "a response that the mapping names",
    () => labelStudio(two, { responses: ["answer1", "answer3"] }),
    'the answer names "answer2", which is none of the mapping\'s `responses`: "answer1" and "answer3"',
  ],
  [
    "a question that `question` asks for",
    () => argilla({ stars: { value: 4 }, note: { value: null } }, { question: "preference" }),
    'no answered question can be read as a judgement: the mapping\'s `question` asks for "preference", and the response answers "stars"; name a ranking or label question',
  ],
  [
    "questions that `ratings` asks for",
    () => argilla({ good_1: { value: 4 } }, { ratings: { answer1: "good_1", answer2: "good_2" } }),
    'the mapping\'s `ratings` asks for "good_1" and "good_2", and the response answers "good_1"; name a ranking',
  ],
  [
    "any answer",
    () => argilla({}, {}),
    "no answered question can be read as a judgement: the response answers no question; name a ranking",
  ],
])("where %s is missing, the refusal names it and what there is", (_, read, message) => {
  const [only] = read()
  expect(only).toMatchObject({ kind: "refusal", refusal: { message: expect.stringContaining(message) } })
})

test("a message lists twenty names at most, each cut to eighty characters", () => {
  const values = Object.fromEntries(
    Array.from({ length: 30 }, (_, index) => [`${index}${"x".repeat(500)}`, { value: 1 }]),
  )
  const [only] = argilla(values, { question: "preference" })
  const { message } = (only as { readonly refusal: Error }).refusal
  expect(message).toContain(" and 10 more; name a ranking")
  expect(message.length).toBeLessThan(2500)
})
