// Every shape of records: a record that is sent again and states nothing any more takes back what it said, under the name it said it.
import { readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, it } from "vitest"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { sendableComparisons } from "#shared/judgement/sent-comparisons.ts"

type Fields = Readonly<Record<string, unknown>>

const file = path.join(import.meta.dirname, "../../gpu-runner/data/rows/shapes/shapes.json")
const shapes: Readonly<Record<string, readonly Fields[]>> = JSON.parse(readFileSync(file, "utf8"))

/** A change to a record of the shape, after which it states nothing. */
type Silencing = (fields: Fields) => Fields

const emptied: Silencing = (fields) => ({ ...fields, chosen: "" })
const answer = (fields: Fields) => ({ ...fields, chosen: fields.rejected })
const unranked =
  (list: string, score: string): Silencing =>
  (fields) => ({ ...fields, [list]: (fields[list] as Fields[]).map((member) => ({ ...member, [score]: null })) })
const treeOf =
  (change: (reply: Fields) => object): Silencing =>
  ({ prompt, ...fields }) => {
    const root = prompt as { readonly replies: readonly Fields[] }
    return { ...fields, prompt: { ...root, replies: root.replies.map((reply) => ({ ...reply, ...change(reply) })) } }
  }
const annotated =
  (change: object): Silencing =>
  ({ annotations, ...fields }) => ({
    ...fields,
    annotations: (annotations as Fields[]).map((annotation) => ({ ...annotation, ...change })),
  })

const NAMED = { id: "n1" }

/** By shape: how a record gets its name, the name, and the ways in which it falls silent. */
const SILENCED: Readonly<Record<string, readonly [named: object, name: string, silencings: readonly Silencing[]]>> = {
  "TRL text": [NAMED, "n1", [emptied, answer]],
  "TRL chat": [NAMED, "n1", [answer]],
  "TRL implicit": [NAMED, "n1", [answer]],
  UltraFeedback: [NAMED, "n1", [answer]],
  "UltraFeedback completions": [NAMED, "n1", [unranked("completions", "overall_score")]],
  "rating list": [NAMED, "n1", [(fields) => ({ ...fields, scores: [null, 1, null] })]],
  OpenAI: [NAMED, "n1", [(fields) => ({ ...fields, preferred_output: fields.non_preferred_output })]],
  "Anthropic HH": [NAMED, "n1", [answer, (fields) => ({ ...fields, rejected: "\n\nHuman: other\n\nAssistant: no" })]],
  Nectar: [NAMED, "n1", [unranked("answers", "rank")]],
  HelpSteer3: [NAMED, "n1", [(fields) => ({ ...fields, overall_preference: null })]],
  HelpSteer2: [NAMED, "n1", [(fields) => ({ ...fields, preference_strength: null })]],
  "Arena 55k": [
    NAMED,
    "n1",
    [(fields) => ({ ...fields, winner_model_a: null, winner_model_b: null, winner_tie: null })],
  ],
  "Arena conversations": [{}, "q1", [(fields) => ({ ...fields, winner: null })]],
  OpenAssistant: [
    {},
    "m0",
    [treeOf(() => ({ deleted: true })), treeOf(() => ({ rank: null })), treeOf(() => ({ review_result: false }))],
  ],
  comparison: [{}, "c1", [(fields) => ({ ...fields, judgement: { kind: "rating", scores: { x: 1, y: null } } })]],
  "Argilla flat export": [
    {},
    "r1/u1",
    [(fields) => ({ ...fields, "preference.responses.status": ["discarded", "draft"] })],
  ],
  "Argilla nested export": [
    {},
    "r1/u1",
    [
      (fields) => ({
        ...fields,
        responses: { preference: [{ value: "response_b", user_id: "u1", status: "discarded" }] },
      }),
    ],
  ],
  "Label Studio": [{}, "5", [annotated({ was_cancelled: true }), annotated({ result: [] })]],
  Prodigy: [
    { _task_hash: 7, _session_id: "ann" },
    "7/ann",
    [
      (fields) => ({ ...fields, answer: "ignore" }),
      (fields) => ({ ...fields, answer: "reject" }),
      (fields) => ({ ...fields, accept: [] }),
      (fields) => ({ ...fields, accept: ["x", "y"] }),
    ],
  ],
  "LLaMA-Factory sharegpt": [NAMED, "n1", [answer]],
  "axolotl messages": [NAMED, "n1", [answer]],
  "LLaMA-Factory alpaca": [NAMED, "n1", [emptied, answer]],
  "axolotl Orca": [NAMED, "n1", [emptied, answer]],
  "TRL unpaired": [
    NAMED,
    "n1",
    [(fields) => ({ ...fields, label: null }), (fields) => ({ ...fields, completion: " " })],
  ],
}

/** Names under which something is said, and names that are taken back. */
const sent = async (record: Fields) => {
  const sendables = await sendableComparisons(await parsePreferenceRecord(JSON.stringify(record)))
  return {
    pairs: sendables.flatMap((one) =>
      "comparison" in one && one.comparison.judgement.kind !== "tie" ? [one.comparison.externalId] : [],
    ),
    ended: sendables.flatMap((one) => {
      if ("externalId" in one) return [one.externalId]
      return "comparison" in one && one.comparison.judgement.kind !== "verdict" ? [one.comparison.externalId] : []
    }),
  }
}

describe("a record that states nothing any more", () => {
  const judged = Object.keys(shapes).filter((name) => name !== "sft messages")

  it("is held for every shape there is", () => {
    expect(Object.keys(SILENCED).toSorted()).toEqual(judged.toSorted())
  })

  it.each(judged)("takes back what it said: %s", async (shape) => {
    const [naming, name, silencings] = SILENCED[shape]!
    const named = { ...shapes[shape]![0]!, ...naming }
    expect((await sent(named)).pairs).toContain(name)
    for (const silence of silencings) {
      const after = await sent(silence(named))
      expect(after.ended).toContain(name)
      expect(after.pairs.filter((id) => id === name && shape !== "Prodigy")).toEqual([])
    }
  })
})
