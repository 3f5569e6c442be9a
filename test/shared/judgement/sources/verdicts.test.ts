// A thumb up or down on one response: the same verdict whichever way it comes in.
import fc from "fast-check"
import { expect, test } from "vitest"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"
import { parsePreferenceRecord, type UnpairedRow } from "#shared/judgement/preference-rows.ts"
import { comparisonOfVerdict, sendableComparisons } from "#shared/judgement/sent-comparisons.ts"
import type { FormOptions, Reading } from "#shared/judgement/sources/annotation.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"
import { parsePreferenceRow } from "../parse-row.ts"
import { faultOf } from "./read-record.ts"

type Verdict = { readonly prompt: unknown; readonly response: unknown; readonly value: string }

const verdictOf = ({
  prompt,
  candidates,
  judgement,
}: Pick<Comparison, "prompt" | "candidates" | "judgement">): Verdict => {
  if (judgement.kind !== "verdict" || candidates.length !== 1) throw new Error("no verdict")
  return { prompt, response: candidates[0]!.response, value: judgement.value }
}

const ofReadings = (readings: readonly Reading[]): Verdict[] =>
  readings.map((reading) => {
    if (reading.kind !== "comparison") throw new Error(JSON.stringify(reading))
    return verdictOf(reading.comparison as Comparison)
  })

/** As `yohaku import` sends it. */
const sent = async (record: object, form: FormOptions = {}): Promise<Verdict[]> =>
  (await sendableComparisons(await parsePreferenceRecord(JSON.stringify(record), { form }))).map((one) => {
    if (!("comparison" in one)) throw new Error(JSON.stringify(one))
    expect(findComparisonFault(one.comparison)).toBeUndefined()
    return verdictOf(one.comparison)
  })

/** As a row of a bulk upload is taken. */
const ofRow = async (record: object): Promise<Verdict> =>
  verdictOf(comparisonOfVerdict((await parsePreferenceRow(JSON.stringify(record))) as UnpairedRow))

const labelStudio = (fields: object, label: string) => {
  const result = [{ type: "choices", from_name: "thumb", to_name: "answer", value: { choices: [label] } }]
  const annotation = { id: 7, completed_by: 1, was_cancelled: false, result }
  const event = { action: "ANNOTATION_CREATED", annotation, task: { id: 1, data: fields } }
  return { event, export: { id: 1, data: fields, annotations: [annotation], predictions: [] } }
}

const argilla = (fields: object, label: string) => {
  const response = { id: "r1", status: "submitted", values: { thumb: { value: label } } }
  const event = { type: "response.created", data: { ...response, record: { id: "x", fields } } }
  return { event, record: { id: "x", fields, responses: [{ ...response, user_id: "u" }] } }
}

test("every way in gives one verdict, and its label in a file", async () => {
  const text = fc.string({ minLength: 1 }).filter((value) => value.trim() === value && value !== "")
  await fc.assert(
    fc.asyncProperty(text, text, fc.boolean(), async (prompt, response, isUp) => {
      const value = isUp ? "desirable" : "undesirable"
      const expected: Verdict = { prompt, response, value }
      const label = isUp ? "Thumbs up" : "👎"
      const comparison = { externalId: "c", prompt, candidates: [{ id: "a", response }] }
      const row = { id: "c", prompt, completion: response, label: isUp }
      const [ls, ar] = [labelStudio({ prompt, answer: response }, label), argilla({ prompt, answer: response }, label)]
      const ways = [
        ...(await sent({ ...comparison, judgement: { kind: "verdict", value } })),
        ...(await sent(row)),
        await ofRow(row),
        ...ofReadings(readLabelStudioEvent(ls.event, {})),
        ...(await sent(ls.event)),
        ...(await sent(ls.export)),
        ...ofReadings(readArgillaEvent(ar.event, {})),
        ...(await sent(ar.event)),
        ...(await sent(ar.record)),
      ]
      expect(ways).toEqual(Array.from({ length: 9 }, () => expected))
      for (const record of [row, ls.export, ar.record, { ...comparison, judgement: { kind: "verdict", value } }]) {
        const { pairs, unpaired } = await parsePreferenceRecord(JSON.stringify(record))
        expect([pairs, unpaired]).toMatchObject([[], [{ prompt, completion: response, label: isUp }]])
      }
    }),
    { numRuns: 60 },
  )
})

test("a mapping names the one response of several texts, and what its labels mean", () => {
  const { event } = labelStudio({ prompt: "Q?", answer: "A.", source: "a book" }, "ship it")
  const labels = { "ship it": "desirable" }
  expect(ofReadings(readLabelStudioEvent(event, { responses: ["answer"], labels }))).toMatchObject([{ response: "A." }])
  const [refused] = readLabelStudioEvent(event, { labels })
  expect(refused).toMatchObject({
    kind: "refusal",
    refusal: {
      message:
        'a verdict is on one response, and there are "answer" and "source"; name the one in the mapping\'s `responses`',
    },
  })
})

test("of two responses a good one is no verdict: which it is would be a guess", () => {
  const [reading] = readLabelStudioEvent(labelStudio({ prompt: "Q?", answer1: "A.", answer2: "B." }, "good").event, {})
  expect(reading).toMatchObject({ kind: "refusal" })
})

test("a verdict on several candidates, or of another value, is refused with the mend", async () => {
  const two = [
    { id: "a", response: "one" },
    { id: "b", response: "two" },
  ]
  const said = { externalId: "c", prompt: "q", judgement: { kind: "verdict", value: "desirable" } } as const
  expect(findComparisonFault({ ...said, candidates: two as never })).toMatchObject({ reason: "unusable-judgement" })
  expect(await faultOf({ ...said, candidates: two })).toContain("on one candidate")
  const [only] = two
  expect(await faultOf({ ...said, candidates: [only], judgement: { kind: "verdict", value: "fine" } })).toContain(
    "must be desirable or undesirable",
  )
  expect(findComparisonFault({ ...said, candidates: [{ id: "a", response: " " }] })?.reason).toBe("empty-response")
  expect(findComparisonFault({ ...said, candidates: [{ id: "a", response: "x" }] })).toBeUndefined()
})
