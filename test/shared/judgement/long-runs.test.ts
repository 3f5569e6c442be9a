// Long runs of one sign, wherever an outside text may stand, are read in a time that grows as they do: a pattern that takes the square of
// their length takes half a minute and more here, and in a worker a whole isolate.
import { expect, test } from "vitest"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"
import { essence } from "#shared/judgement/essence.ts"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"
import { foldText } from "#shared/wire/pair-identity.ts"

const CHARACTERS = 100_000
const UNITS = [
  ...[" ", "\n", "\t", "1", "a", "_", "{", "[", "(", "'", '"', "-", "\\", ":", "/", ".", ",", "\u0301", "\u200b"],
  ...["role", "\n\nHuman:", "\n\nAssistant:", "array(", "[ ", '{"role":', "bad ", "a_", "1 "],
]
const ENDS = ["", "x", "]", "\n\nAssistant:"]

const pair = { prompt: "q", chosen: "a", rejected: "b" }

const labelStudio = (text: string) => {
  const rated = (name: string, response: string, rating: number) => {
    return { type: "rating", from_name: name, to_name: response, value: { rating } }
  }
  const choice = { type: "choices", from_name: text, to_name: text, value: { choices: [text] } }
  const result = [choice, rated(text, text, 1), rated(`${text}2`, "b", 2)]
  const task = { id: 1, data: { prompt: text, [text]: text, b: "x" } }
  return { action: "ANNOTATION_CREATED", annotation: { id: 1, result, updated_at: text }, task }
}

const argilla = (text: string) => {
  const record = { id: "r", fields: { prompt: text, response_a: text, response_b: "x", [text]: "y" } }
  const values = { [text]: { value: text }, response_a: { value: 1 }, [`${text}_response_a`]: { value: 3 } }
  return { type: "response.created", data: { id: "x", status: "submitted", updated_at: text, values, record } }
}

const candidates = (text: string) => [
  { id: "a", response: text },
  { id: "b", response: "y" },
]

/** Whether it can be used is not asked here. */
const tried = async (read: () => unknown): Promise<boolean> => {
  try {
    await read()
  } catch {
    return false
  }
  return true
}

test.each(UNITS)("a long run of %j is read at once wherever it stands", { timeout: 10_000 }, async (unit) => {
  for (const end of ENDS) {
    const text = unit.repeat(Math.ceil(CHARACTERS / unit.length)) + end
    expect(essence(text).length + foldText(text).length).toBeLessThanOrEqual(4 * text.length)
    for (const field of ["prompt", "chosen", "id", "question", text])
      await tried(() => parsePreferenceRecord({ ...pair, [field]: text }))
    await tried(() => parsePreferenceRecord({ prompt: text, chosen: `${text}1`, rejected: `${text}2` }))
    await tried(() => parsePreferenceRecord({ [text]: "x" }))
    await tried(() => parsePreferenceRecord(text))
    await tried(() => parsePreferenceRecord({ chosen: `\n\nHuman: ${text}\n\nAssistant: a`, rejected: "b" }))
    await tried(() => readLabelStudioEvent(labelStudio(text), {}))
    await tried(() => readArgillaEvent(argilla(text), {}))
    const judged = { externalId: "x", prompt: text, candidates: candidates(text), labelledAt: text }
    await tried(() => findComparisonFault({ ...judged, judgement: { kind: "choice", winner: "a" } } as never))
  }
})
