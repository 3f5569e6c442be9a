import { expect, test } from "vitest"
import { assistant, faultOf, read, user } from "./read-record.ts"

test("an unpaired row is read as text and as chat, with its label", async () => {
  expect((await read({ id: 4, prompt: "q", completion: " a", label: true })).unpaired).toEqual([
    { id: "4", label: true, prompt: "q", completion: " a" },
  ])
  const chat = { prompt: [user("q")], completion: [assistant("a")] }
  expect((await read({ ...chat, label: false, margin: 1 })).unpaired).toMatchObject([{ ...chat, label: false }])
})

test("labels may be 1 and 0, or text as tables hold it, and nothing else", async () => {
  const labels = [1, 0, "True", "false"]
  const rows = await Promise.all(labels.map((label) => read({ prompt: "q", completion: "a", label })))
  expect(rows.map(({ unpaired }) => unpaired[0]!.label)).toEqual([true, false, true, false])
  for (const label of ["good", 2, [true], {}]) {
    expect(await faultOf({ prompt: "q", completion: "a", label })).toContain("label must be true")
  }
})

test("a completion without a label is dropped", async () => {
  for (const label of [null, ""])
    expect((await read({ prompt: "q", completion: "a", label })).reasons).toEqual(["unlabelled"])
})

test("one completion judged both ways has two names, and an empty one is dropped", async () => {
  const of = async (label: boolean) => (await read({ prompt: "q", completion: "a", label })).unpaired[0]!.id
  expect(await of(true)).not.toBe(await of(false))
  expect((await read({ prompt: "q", completion: "", label: true })).reasons).toEqual(["empty"])
})

test("a text completion of a prompt of messages is the assistant's turn", async () => {
  const record = await read({ prompt: [user("q")], completion: "a", label: true })
  expect(record.unpaired).toMatchObject([{ prompt: [user("q")], completion: [assistant("a")], label: true }])
})
