import { expect, test } from "vitest"
import { assistant, faultOf, pairsOf, read, user } from "./read-record.ts"

// The table's cells are text, and most of them JSON.
const table = (winner: "a" | "b" | "tie", turns = 1) => ({
  id: "30192",
  model_a: "m1",
  model_b: "m2",
  prompt: JSON.stringify(["Why is tea hot?", "And ice?"].slice(0, turns)),
  response_a: JSON.stringify(["Because.", "Is cold."].slice(0, turns)),
  response_b: JSON.stringify(["It is not.", "Is hot."].slice(0, turns)),
  winner_model_a: winner === "a" ? "1" : "0",
  winner_model_b: winner === "b" ? "1" : "0",
  winner_tie: winner === "tie" ? "1" : "0",
})

test("a battle of the 55k table is a chat pair of the winner and the other", async () => {
  expect((await read(table("a"))).pairs).toEqual([
    {
      id: "30192",
      prompt: [user("Why is tea hot?")],
      chosen: [assistant("Because.")],
      rejected: [assistant("It is not.")],
    },
  ])
  expect(await pairsOf(table("b"))).toEqual([["It is not.", "Because."]])
})

test("ties, battles of several turns and unanswered turns are dropped by reason", async () => {
  expect((await read(table("tie"))).reasons).toEqual(["tie"])
  expect((await read(table("a", 2))).reasons).toEqual(["several-turns"])
  expect((await read({ ...table("a"), response_a: "[null]" })).reasons).toEqual(["empty"])
})

test("two models that answer the first turn alike are compared on the second", async () => {
  const record = { ...table("b", 2), response_b: JSON.stringify(["Because.", "Is hot."]) }
  expect((await read(record)).pairs).toMatchObject([
    { prompt: [user("Why is tea hot?"), assistant("Because."), user("And ice?")], chosen: [assistant("Is hot.")] },
  ])
})

test("cells that are no JSON list, and winners that contradict, are errors", async () => {
  expect(await faultOf({ ...table("a"), prompt: "Why" })).toContain("prompt is no JSON")
  expect(await faultOf({ ...table("a"), prompt: '"Why"' })).toContain("prompt must be a JSON list")
  expect(await faultOf({ ...table("a"), response_b: "[]" })).toContain(
    "response_b must hold one answer for each prompt",
  )
  expect(await faultOf({ ...table("a"), winner_tie: "1" })).toContain("one 1 and two 0")
})

test("the 33k set has two conversations and a winner by name", async () => {
  const record = {
    question_id: "q1",
    model_a: "m1",
    model_b: "m2",
    winner: "model_b",
    judge: "arena_user_1",
    conversation_a: [user("Why?"), assistant("Because.")],
    conversation_b: [user("Why?"), assistant("It is not.")],
    turn: 1,
    anony: true,
    language: "English",
    tstamp: 1682351591.13,
    openai_moderation: { flagged: false },
    toxic_chat_tag: {},
  }
  expect((await read(record)).pairs).toEqual([
    { id: "q1", prompt: [user("Why?")], chosen: [assistant("It is not.")], rejected: [assistant("Because.")] },
  ])
  expect((await read({ ...record, winner: "tie (bothbad)" })).reasons).toEqual(["bad-quality"])
  expect(await faultOf({ ...record, winner: "m1" })).toContain("winner must be model_a")
})

test("the 140k set has contents in parts and token counts", async () => {
  const message = (role: string, text: string) => ({
    role,
    content: [{ type: "text", text, image: null, mimeType: null }],
    num_tokens: 3,
  })
  const record = {
    id: "7f",
    model_a: "m1",
    model_b: "m2",
    winner: "model_a",
    evaluation_session_id: "s1",
    evaluation_order: 1,
    conversation_a: [message("user", "Why?"), message("assistant", "Because.")],
    conversation_b: [message("user", "Why?"), message("assistant", "It is not.")],
    full_conversation: [],
    conv_metadata: {},
    category_tag: {},
    language: "en",
    is_code: false,
    timestamp: "2026-07-01T10:00:00",
  }
  expect(await pairsOf(record)).toEqual([["Because.", "It is not."]])
  expect((await read({ ...record, winner: "both_bad" })).reasons).toEqual(["bad-quality"])
})

test("winners as truth values, in JSON and as tables print them, are those of 1 and 0", async () => {
  const truth = (a: unknown, b: unknown, tie: unknown) => ({
    ...table("a"),
    ...{ winner_model_a: a, winner_model_b: b, winner_tie: tie },
  })
  expect(await pairsOf(truth(false, true, false))).toEqual([["It is not.", "Because."]])
  expect(await pairsOf(truth("False", "True", "False"))).toEqual([["It is not.", "Because."]])
  expect((await read(truth(false, false, true))).reasons).toEqual(["tie"])
  expect(await faultOf(truth(true, true, false))).toContain("must hold one 1 and two 0")
})
