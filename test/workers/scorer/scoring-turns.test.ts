// Who scores pairs of a reference in an isolate: one at a time, for as long as it shows that it is at work.
import { expect, test } from "vitest"
import { ScoringTurns } from "#workers/scorer/ScoringTurns.ts"

test("a reference is one caller's until that ends, and others' turns are no matter of it", () => {
  const turns = new ScoringTurns()
  const turn = turns.begin("a", 0)!
  expect(turns.begin("a", 59_999)).toBeUndefined()
  expect(turns.begin("b", 0)).toBeDefined()
  turns.end(turn)
  expect(turns.begin("a", 1)).toBeDefined()
})

test("a turn lasts as long as it is renewed within a minute, and counts as broken off after one", () => {
  const turns = new ScoringTurns()
  const turn = turns.begin("a", 0)!
  for (const nowMs of [50_000, 100_000, 150_000]) turns.renew(turn, nowMs)
  expect(turns.begin("a", 209_999)).toBeUndefined()
  expect(turns.begin("a", 210_000)).toBeDefined()
})

test("whose turn was taken over neither ends the other's nor takes it back", () => {
  const turns = new ScoringTurns()
  const late = turns.begin("a", 0)!
  const turn = turns.begin("a", 60_000)!
  turns.renew(late, 119_000)
  turns.end(late)
  expect(turns.begin("a", 119_999)).toBeUndefined()
  turns.end(turn)
  expect(turns.begin("a", 119_999)).toBeDefined()
})
