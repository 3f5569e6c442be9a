import { expect, test } from "vitest"
import { faultOf, pairsOf, read } from "./read-record.ts"

const data = { prompt: "Why is tea hot?", answer1: "Because…", answer2: "It is not." }
const pairwise = (selected: string) => ({
  id: "w1",
  type: "pairwise",
  from_name: "pw",
  to_name: "answer1,answer2",
  value: { selected },
})
const choices = (...names: readonly string[]) => {
  return { id: "c1", type: "choices", from_name: "choice", to_name: "answer1", value: { choices: names } }
}
const annotation = (...result: readonly unknown[]) => {
  return { id: 17, result, was_cancelled: false, ground_truth: false, completed_by: 3, lead_time: 8.4 }
}
const task = (...annotations: readonly unknown[]) => ({ id: 19, data, annotations, predictions: [], project: 2 })

test("an exported task gives one pair an annotation, named by it", async () => {
  const record = task(annotation(pairwise("left")), { ...annotation(pairwise("right")), id: 18 })
  expect((await read(record)).pairs).toEqual([
    { id: "17", prompt: data.prompt, chosen: "Because…", rejected: "It is not." },
    { id: "18", prompt: data.prompt, chosen: "It is not.", rejected: "Because…" },
  ])
})

test("choices name the better response, ratings score each", async () => {
  expect(await pairsOf(task(annotation(choices("answer2"))))).toEqual([["It is not.", "Because…"]])
  const rating = (name: string, value: number) => ({ type: "rating", to_name: name, value: { rating: value } })
  expect(await pairsOf(task(annotation(rating("answer1", 5), rating("answer2", 3))))).toEqual([
    ["Because…", "It is not."],
  ])
})

test("a ranker orders the items of its list", async () => {
  const items = ["a1", "a2", "a3"].map((id) => ({ id, title: `title ${id}`, body: `body ${id}` }))
  const ranker = (columns: unknown) => ({ type: "ranker", to_name: "items", value: { ranker: columns } })
  const record = (columns: unknown) => ({
    id: 1,
    data: { prompt: "q", items },
    annotations: [annotation(ranker(columns))],
  })
  expect(await pairsOf(record({ _: ["a2", "a1", "a3"] }))).toEqual([
    ["body a2", "body a1"],
    ["body a2", "body a3"],
    ["body a1", "body a3"],
  ])
  expect(await faultOf(record({ good: ["a2"], bad: ["a1"] }))).toContain("buckets")
  expect(await faultOf(record({ _: ["a2", "z"] }))).toContain("no such item")
})

test("ties, cancelled and missing annotations are dropped by reason", async () => {
  expect((await read(task(annotation(pairwise("left"), choices("Tie"))))).reasons).toEqual(["tie"])
  expect((await read(task(annotation(pairwise("left"), choices("Both are bad"))))).reasons).toEqual(["bad-quality"])
  expect((await read(task({ ...annotation(pairwise("left")), was_cancelled: true }))).reasons).toEqual(["discarded"])
  expect((await read(task())).reasons).toEqual(["unlabelled"])
  const region = { type: "labels", to_name: "answer1", value: { labels: ["typo"] } }
  expect((await read(task(annotation(region)))).reasons).toEqual(["no-judgement"])
})

test("a webhook's body is read like the export", async () => {
  const event = {
    action: "ANNOTATION_CREATED",
    annotation: annotation(pairwise("right")),
    task: { id: 19, data },
    project: {},
  }
  expect(await pairsOf(event)).toEqual([["It is not.", "Because…"]])
  expect((await read({ action: "ANNOTATIONS_DELETED", annotations: [{ id: 17 }] })).reasons).toEqual(["deleted"])
  expect(await faultOf({ ...event, task: { id: 19 } })).toContain("Send payload")
})
