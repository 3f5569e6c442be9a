// What is sent of a file teaches what the file states: each record as what one person said at once, under the record's name.
import { readFileSync } from "node:fs"
import path from "node:path"
import { Schema } from "effect"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Comparison } from "#shared/judgement/Comparison.ts"
import { derivePairs, weightOfStrength } from "#shared/judgement/derive-pairs.ts"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { comparisonOfRow, sendableComparisons } from "#shared/judgement/sent-comparisons.ts"

type Fields = Readonly<Record<string, unknown>>

const sorted = (pairs: readonly object[]) => pairs.map((pair) => JSON.stringify(pair)).toSorted()

/** Pairs of a record as a file states them, and as the service derives them from what is sent of it. */
async function bothWays(record: Fields) {
  const stated = await parsePreferenceRecord(record)
  const sent = (await sendableComparisons(stated)).map((sendable) => {
    if (!("comparison" in sendable)) return sendable
    const { comparison } = sendable
    return Schema.decodeUnknownSync(Comparison, { onExcessProperty: "error" })(JSON.parse(JSON.stringify(comparison)))
  })
  const derived = sent.flatMap((one) => {
    const derivation = "candidates" in one ? derivePairs(one) : undefined
    return derivation?.kind === "pairs" ? derivation.pairs : []
  })
  return {
    stated,
    sent,
    inFile: sorted(
      stated.pairs.map(({ prompt, chosen, rejected, strength }) => {
        return { prompt, chosen, rejected, weight: strength === undefined ? 1 : weightOfStrength(strength) }
      }),
    ),
    inService: sorted(derived.map(({ prompt, chosen, rejected, weight }) => ({ prompt, chosen, rejected, weight }))),
  }
}

const shapes: Readonly<Record<string, readonly Fields[]>> = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "../../gpu-runner/data/rows/shapes/shapes.json"), "utf8"),
)

describe("every pair of a record is derived from what is sent of it, with its weight", () => {
  test.each(Object.entries(shapes).filter(([name]) => name !== "sft messages"))("%s", async (_, records) => {
    for (const record of records) {
      const { stated, sent, inFile, inService } = await bothWays(record)
      // Of what calls tools nothing is sent, and it is said.
      if (sent.some((one) => "fault" in one && one.fault.includes("train on the file itself"))) continue
      expect(sent.filter((one) => "fault" in one)).toEqual([])
      expect(inService).toEqual(inFile)
      if (stated.comparisons === undefined)
        expect(sent.map((one) => "externalId" in one && one.externalId)).toEqual(
          [...stated.pairs, ...stated.unpaired].map(({ id }) => id),
        )
    }
  })

  const response = fc.constantFrom("a", "b", " b ", "c", "d", "", "e")
  const scored = fc.array(fc.tuple(response, fc.integer({ min: 0, max: 3 })), { minLength: 2, maxLength: 6 })

  test("ratings of any responses, empty and repeated ones among them", async () => {
    await fc.assert(
      fc.asyncProperty(scored, async (rated) => {
        const [responses, scores] = [rated.map(([text]) => text), rated.map(([, score]) => score)]
        const { sent, inFile, inService } = await bothWays({ id: "n", prompt: "q", responses, scores })
        expect(sent.filter((one) => "fault" in one)).toEqual([])
        expect(inService).toEqual(inFile)
      }),
      { numRuns: 300 },
    )
  })

  test("a preference of each strength", async () => {
    for (const value of [-3, -2, -1, 1, 2, 3]) {
      const row = { id: "h", prompt: "q", response_1: "a", response_2: "b", preference_strength: value }
      const { inFile, inService } = await bothWays(row)
      expect(inService).toEqual(inFile)
      expect(JSON.parse(inService[0]!).weight).toBe(Math.abs(value) / 3)
    }
  })
})

test("a row of one pair is a choice of chosen, or a strength on its side, as far as the row says one", () => {
  const row = { id: "r", prompt: "q", chosen: "a", rejected: "b" }
  expect(comparisonOfRow(row).judgement).toEqual({ kind: "choice", winner: "chosen" })
  for (const strength of [1, 2, 3]) {
    const derived = derivePairs(comparisonOfRow({ ...row, strength }))
    expect(derived).toMatchObject({ kind: "pairs", pairs: [{ chosen: "a", rejected: "b", strength }] })
  }
})

test("a judgement of one pair without a name has that pair's name", async () => {
  const { stated, sent } = await bothWays({ prompt: "q", responses: ["a", "b"], scores: [3, 2] })
  expect(sent).toMatchObject([{ externalId: stated.pairs[0]!.id }])
})

test("who said it, about what and when goes with what was said, so that an older export does not outdo a newer one", async () => {
  const facts = { annotator: "hana", task: "refunds", labelledAt: "2026-11-01T10:00:00Z" }
  const candidates = ["x", "y"].map((id) => ({ id, response: id }))
  const said = { externalId: "c", prompt: "q", candidates, judgement: { kind: "choice", winner: "y" } }
  expect((await bothWays({ ...said, ...facts })).sent).toEqual([{ ...said, ...facts }])
  expect((await bothWays(said)).sent).toEqual([said])
  const result = [{ type: "pairwise", from_name: "p", to_name: "a,b", value: { selected: "left" } }]
  const annotation = { id: 7, completed_by: 3, updated_at: facts.labelledAt, result }
  const task = { id: 1, data: { prompt: "q", a: "one", b: "two" }, annotations: [annotation] }
  expect((await bothWays(task)).sent).toMatchObject([{ externalId: "7", annotator: "3", labelledAt: facts.labelledAt }])
})

test("a turn of a role that the service does not take is said", async () => {
  const messages = (...roles: readonly string[]) => roles.map((role) => ({ role, content: role }))
  const row = {
    prompt: messages("user", "tool"),
    chosen: messages("assistant"),
    rejected: [{ role: "assistant", content: "no" }],
  }
  const [sent] = (await bothWays(row)).sent
  expect(sent).toEqual({
    fault: expect.stringMatching(/^has a message of role "tool", which a dataset of the service/),
  })
})

describe("a record that is said again", () => {
  const named = (scores: readonly number[]) => ({ id: "n", prompt: "q", responses: ["a", "b", "c"], scores })

  test("is sent under one name, whatever it says now, a tie too", async () => {
    for (const scores of [
      [3, 2, 1],
      [1, 2, 3],
      [1, 2, 2],
      [1, 1, 1],
    ]) {
      const { sent } = await bothWays(named(scores))
      expect(sent.map((one) => "externalId" in one && one.externalId)).toEqual(["n"])
    }
    for (const winner of ["model_a", "model_b", "tie", "tie (bothbad)"]) {
      const turns = (answer: string) => [
        { role: "user", content: "q" },
        { role: "assistant", content: answer },
      ]
      const battle = { question_id: "b", winner, conversation_a: turns("x"), conversation_b: turns("y") }
      expect((await bothWays(battle)).sent.map((one) => "externalId" in one && one.externalId)).toEqual(["b"])
    }
  })

  test("as a tie of one text with itself says nothing, however the tie is said: what it said before is over", async () => {
    const same = { response_1: "a", response_2: " a " }
    expect((await bothWays({ id: "h", prompt: "q", ...same, preference_strength: 0 })).sent).toEqual([
      { externalId: "h" },
    ])
    expect((await bothWays({ id: "n", prompt: "q", responses: ["a", " a "], scores: [1, 1] })).sent).toEqual([
      { externalId: "n" },
    ])
    const candidates = Object.values(same).map((response, index) => ({ id: String(index), response }))
    const tie = { externalId: "t", prompt: "q", candidates, judgement: { kind: "tie" } }
    expect((await bothWays(tie)).sent).toEqual([{ externalId: "t" }])
  })

  test("without a name is named by its content, and a tie is not sent", async () => {
    const { id: _, ...nameless } = named([3, 2, 1])
    const { id: __, ...tie } = named([1, 1, 1])
    const [first] = (await bothWays(nameless)).sent
    expect(first).toMatchObject({ externalId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) })
    expect((await bothWays(nameless)).sent).toEqual([first])
    expect((await bothWays(tie)).sent).toEqual([])
  })
})

test("tool calls are said not to be taken, and of more pairs than the service keeps the number left out", async () => {
  const call = { type: "function", function: { name: "f", arguments: { a: 1 } } }
  const prompt = [{ role: "user", content: "q" }]
  const chosen = [{ role: "assistant", content: "", tool_calls: [call] }]
  const rejected = [{ role: "assistant", content: "no" }]
  const mend = "which a dataset of the service does not take; train on the file itself"
  expect((await bothWays({ prompt, chosen, rejected })).sent).toEqual([
    { fault: `has a message with tool_calls, ${mend}` },
  ])
  expect(
    (
      await bothWays({
        prompt,
        chosen: rejected,
        rejected: [{ role: "assistant", content: "x" }],
        tools: [{ name: "f" }],
      })
    ).sent,
  ).toEqual([{ fault: `has tools, ${mend}` }])
  const responses = Array.from({ length: 13 }, (_, index) => `answer ${index}`)
  const stated = await parsePreferenceRecord({ id: "n", prompt: "q", responses, scores: [...responses.keys()] })
  expect(await sendableComparisons(stated)).toMatchObject([{ omittedPairs: 78 - 64 }])
})
