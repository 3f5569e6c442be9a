import { expect, test } from "vitest"
import { assistant, faultOf, read, user } from "./read-record.ts"

interface Node {
  readonly message_id: string
  readonly role: string
  readonly text: string
  readonly rank?: number | null
  readonly replies?: readonly Node[]
  readonly [more: string]: unknown
}

const said = (id: string, text: string, replies: readonly Node[] = []): Node => {
  return { message_id: id, role: "prompter", text, replies, lang: "en", labels: { quality: { value: 0.8, count: 3 } } }
}
const replied = (id: string, text: string, rank: number | null, replies: readonly Node[] = []): Node => {
  return { message_id: id, role: "assistant", text, rank, replies, review_result: true, deleted: false }
}

test("ranked siblings anywhere in a tree are pairs, with the way to them as the prompt", async () => {
  const second = said("q2", "And ice?", [replied("c", "Is cold.", 0), replied("d", "Is hot.", 1)])
  const answers = [replied("b", "It is not.", 2), replied("a", "Because.", 0, [second]), replied("x", "So so.", 1)]
  const { pairs, reasons } = await read({
    message_tree_id: "t",
    tree_state: "ready",
    prompt: said("q1", "Why?", answers),
  })
  expect(reasons).toEqual([])
  expect(pairs.map(({ id, chosen, rejected }) => [id, chosen, rejected])).toEqual([
    ["q1/a>x", [assistant("Because.")], [assistant("So so.")]],
    ["q1/a>b", [assistant("Because.")], [assistant("It is not.")]],
    ["q1/x>b", [assistant("So so.")], [assistant("It is not.")]],
    ["q2", [assistant("Is cold.")], [assistant("Is hot.")]],
  ])
  expect(pairs[3]!.prompt).toEqual([user("Why?"), assistant("Because."), user("And ice?")])
})

test("deleted, refused and unranked answers are no candidates", async () => {
  const answers = [
    replied("a", "Because.", 0),
    { ...replied("b", "It is not.", 1), deleted: true },
    { ...replied("c", "Spam.", 2), review_result: false },
    replied("d", "So so.", null),
  ]
  const { pairs, reasons } = await read({ message_tree_id: "t", prompt: said("q", "Why?", answers) })
  expect(pairs).toEqual([])
  expect(reasons).toEqual(["deleted", "bad-quality"])
})

test("a tree without ranked siblings is unlabelled, and one of another role is an error", async () => {
  expect((await read({ message_tree_id: "t", prompt: said("q", "Why?") })).reasons).toEqual(["unlabelled"])
  const odd = { ...said("q", "Why?"), role: "system" }
  expect(await faultOf({ message_tree_id: "t", prompt: odd })).toContain("prompt.role must be prompter or assistant")
})

test("a conversation of thirty turns is within the depth", async () => {
  let node = said("q30", "30?", [replied("a", "yes", 0), replied("b", "no", 1)])
  for (let turn = 29; turn > 0; turn--) node = said(`q${turn}`, `${turn}?`, [replied(`r${turn}`, "go on", 0, [node])])
  const { pairs } = await read({ message_tree_id: "t", prompt: node })
  expect(pairs).toHaveLength(1)
  expect(pairs[0]!.prompt).toHaveLength(59)
})
