// Any record, as JSON or as a table holds it: it is read, or it is refused as a row; nothing else is thrown, and what is read is whole text.
import fc from "fast-check"
import { expect, test } from "vitest"
import { InvalidPreferenceRow, parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"

const NAMES = [
  ...["id", "prompt", "chosen", "rejected", "completion", "label", "response", "messages", "conversations", "tools"],
  ...[
    "instruction",
    "question",
    "input",
    "system",
    "history",
    "preferred_output",
    "non_preferred_output",
    "candidates",
  ],
  ...[
    "judgement",
    "fields",
    "responses",
    "type",
    "action",
    "data",
    "annotation",
    "annotations",
    "task",
    "text",
    "options",
  ],
  ...["accept", "answer", "message_tree_id", "answers", "response_a", "winner_model_a", "winner_model_b", "winner_tie"],
  ...["conversation_a", "conversation_b", "winner", "context", "response1", "response2", "overall_preference"],
  ...["preference_strength", "response_1", "response_2", "scores", "generations", "ratings", "completions"],
  ...["q.responses", "q.responses.users", "q.responses.status", "q.suggestion", "status", "annotation_id", "annotator"],
]

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.constantFrom(
    "",
    "\ud800",
    "\n\nHuman: a\n\nAssistant: b",
    "[1]",
    '["a","b"]',
    "[{'role': 'user'}]",
    "tie",
    "constructor",
    "model_a",
  ),
)
const message = fc.oneof(
  fc.record({ role: fc.constantFrom("user", "assistant", "tool", "Human", ""), content: text }),
  fc.record({ from: fc.constantFrom("human", "gpt", "function_call", "robot"), value: text }),
)
const candidate = fc.record(
  {
    id: text,
    response: text,
    answer: text,
    rank: fc.oneof(fc.integer(), fc.constant(null)),
    overall_score: fc.double(),
  },
  { requiredKeys: [] },
)
const value = fc.oneof(
  text,
  message,
  fc.array(message, { maxLength: 3 }),
  fc.array(candidate, { maxLength: 3 }),
  fc.array(text, { maxLength: 3 }),
  fc.record({ kind: fc.constantFrom("choice", "tie", "ranking", "strength"), winner: text, value: fc.integer() }),
  fc.dictionary(fc.constantFrom(...NAMES), text, { maxKeys: 3 }),
  fc.jsonValue({ maxDepth: 2 }),
  // As Parquet holds them.
  fc.constantFrom(2n ** 60n, Uint8Array.of(0xff), Number.NaN),
  // Names that every object has.
  fc.constantFrom<unknown>(
    { toString: 1 },
    [{ toString: 1 }],
    [{ role: "constructor", content: "x" }],
    [{ id: { toString: 1 } }],
  ),
)

test("is read or refused as a row, whatever it holds", async () => {
  const record = fc.dictionary(fc.constantFrom(...NAMES), value, { maxKeys: 8 })
  const isStrict = fc.boolean()
  await fc.assert(
    fc.asyncProperty(record, isStrict, async (fields, strict) => {
      const outcome = await parsePreferenceRecord(fields, { strict }).catch((error: unknown) => error)
      if (outcome instanceof Error) {
        expect(outcome).toBeInstanceOf(InvalidPreferenceRow)
        return
      }
      const { pairs, unpaired } = outcome as Awaited<ReturnType<typeof parsePreferenceRecord>>
      for (const row of [...pairs, ...unpaired]) expect(JSON.stringify(row)).not.toMatch(/\\ud[89a-f]/)
    }),
    { numRuns: 5000 },
  )
})
