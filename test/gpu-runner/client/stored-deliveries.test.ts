// A file of stored webhook bodies, in every command: what a later body changes or takes back is neither learnt nor left standing.
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { importLines, noFindings } from "#gpu-runner/client/import-lines.ts"
import { checkData } from "#gpu-runner/data/rows/checked-data.ts"
import { createWorkspace, jsonLines } from "../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const at = (minute: number) => `2026-11-20T00:${String(minute).padStart(2, "0")}:00.000Z`

interface Change {
  readonly id: number
  readonly act: "left" | "right" | "cancel" | "unknown" | "delete" | "task"
}

const control = (value: object) => [{ type: "pairwise", from_name: "p", to_name: "answer_1,answer_2", value }]
const unknown = [{ type: "choices", from_name: "c", to_name: "prompt", value: { choices: ["unsure"] } }]

/** The body of the webhook about an act, which is the later the later it stands. */
const bodyOf = ({ id, act }: Change, minute: number): object => {
  if (act === "delete") return { action: "ANNOTATIONS_DELETED", annotations: [{ id }], project: { id: 1 } }
  if (act === "task") return { action: "TASKS_DELETED", tasks: [{ id: 100 + id }], project: { id: 1 } }
  const result = act === "unknown" ? unknown : control({ selected: act === "cancel" ? "left" : act })
  return {
    action: "ANNOTATION_UPDATED",
    annotation: { id, task: 100 + id, updated_at: at(minute), was_cancelled: act === "cancel", result },
    task: { id: 100 + id, data: { prompt: `${id}?`, answer_1: "one", answer_2: "two" } },
    project: { id: 1 },
  }
}

/** By annotation: what the tool holds in the end, the chosen text; undefined: nothing that counts. */
const heldIn = (changes: readonly Change[]) => {
  const held = new Map<number, string | undefined>()
  const gone = new Set<number>()
  for (const { id, act } of changes) {
    if (act === "delete" || act === "task") gone.add(id)
    held.set(id, act === "left" ? "one" : act === "right" ? "two" : undefined)
  }
  for (const id of gone) held.set(id, undefined)
  return held
}

const imported = async (file: string) => {
  const said = new Map<string, string>()
  const over = new Set<string>()
  for await (const line of importLines(file, "rows", {}, noFindings())) {
    if ("retraction" in line) over.add(line.retraction.externalId)
    if (!("bytes" in line)) continue
    const { externalId, candidates, judgement } = JSON.parse(new TextDecoder().decode(line.bytes))
    const winner = candidates.find(({ id }: { id: string }) => id === judgement.winner)
    said.set(externalId, winner.response)
  }
  return { said, over }
}

const changes = fc.array(
  fc.record<Change>({
    id: fc.integer({ min: 1, max: 3 }),
    act: fc.constantFrom("left", "left", "right", "cancel", "unknown", "delete", "task"),
  }),
  { minLength: 1, maxLength: 7 },
)

describe("stored deliveries", () => {
  it("teach and send what the tool holds in the end, and end what it holds no more", async () => {
    await fc.assert(
      fc.asyncProperty(changes, async (given) => {
        // The first body must be whole for the others to be about something.
        const all: readonly Change[] = [{ id: 1, act: "left" }, ...given]
        const file = workspace.write("events.jsonl", jsonLines(all.map((change, index) => bodyOf(change, index))))
        const held = heldIn(all)
        const living = [...held].flatMap(([id, text]) => (text === undefined ? [] : [[String(id), text] as const]))
        const { said, over } = await imported(file)
        expect(said).toEqual(new Map(living))
        for (const [id, text] of held) expect(over.has(String(id))).toBe(text === undefined && isKnown(all, id))
        const { pairs } = await checkData(file, {})
        expect(pairs.map(({ chosen }) => chosen).toSorted()).toEqual(living.map(([, text]) => text).toSorted())
      }),
      { numRuns: 200 },
    )
  })

  it("are refused by name among rows of another kind", async () => {
    const row = { prompt: "q", chosen: "a", rejected: "b" }
    const file = workspace.write("mixed.jsonl", jsonLines([row, bodyOf({ id: 1, act: "left" }, 1)]))
    const { pairs, dropped } = await checkData(file, {})
    expect(pairs).toHaveLength(1)
    expect(dropped).toEqual([
      { row: 2, reason: "bad-row", detail: expect.stringContaining("keep deliveries in files of their own") },
    ])
  })
})

describe("an origin", () => {
  it("is part of the name of what has an id, said or taken back, and of no name that is the content's", async () => {
    const rows = [
      { id: "1", prompt: "q", chosen: "a", rejected: "b" },
      { id: "2", prompt: "q2", chosen: "", rejected: "b" },
      { prompt: "q3", chosen: "a", rejected: "b" },
    ]
    const file = workspace.write("origin.jsonl", jsonLines(rows))
    const names = async (origin?: string) => {
      const found: string[] = []
      for await (const line of importLines(file, "rows", { origin }, noFindings())) {
        if ("retraction" in line) found.push(`over ${line.retraction.externalId}`)
        if ("bytes" in line) found.push(JSON.parse(new TextDecoder().decode(line.bytes)).externalId)
      }
      return found
    }
    const plain = await names()
    expect(plain).toEqual(["1", "over 2", expect.stringMatching(/^sha256:/)])
    expect(await names("north")).toEqual(["north/1", "over north/2", plain[2]])
  })
})

/** A deleted task takes back the annotations that the bodies tell of. */
function isKnown(all: readonly Change[], id: number): boolean {
  return all.some((change) => change.id === id && change.act !== "task")
}
