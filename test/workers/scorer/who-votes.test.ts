// Who is a labeller of their own, which of their judgements counts, and of which pairs: the edges that a shuffle of judgements rarely meets.
import { beforeEach, expect, it } from "vitest"
import { COUNT_VOTES, MARK_STATED } from "#shared/judgement/pair-votes.ts"
import { bindings, choice, createDataset, DATASET, deliver, pairs, receive, startWorld } from "./world.ts"

beforeEach(startWorld)

/** Two waiting comparisons of one person: that "the" is better than "an", and that or the opposite. */
const receiveTwo = async (isSame: boolean): Promise<string[]> => {
  const second = isSame ? choice("hello", "the", "an", "two") : choice("hello", "an", "the", "two")
  const ids = await receive([choice("hello", "the", "an"), second])
  await bindings.DB.prepare("UPDATE comparisons SET annotator = 'ann', labelled_at = 0").run()
  return ids
}

const change = (id: string | undefined, columns: string) =>
  bindings.DB.prepare(`UPDATE comparisons SET ${columns} WHERE id = ?`).bind(id).run()

/** By the comparison that carries the pair. */
const votes = async () =>
  Object.fromEntries((await pairs()).map((pair) => [pair.comparison_id, [pair.votes_for, pair.votes_against]]))

it("people of one name in two tools are two", async () => {
  const ids = await receiveTwo(true)
  await change(ids[1], "endpoint_id = 'other-tool'")
  await deliver(ids)
  expect(Object.values(await votes())).toEqual([[2, 0]])
})

it("people of one name in one tool are one", async () => {
  await deliver(await receiveTwo(true))
  expect(Object.values(await votes())).toEqual([[1, 0]])
})

it("of what was said at one time that counts which arrived later, whichever was stored later", async () => {
  const [first, second] = await receiveTwo(false)
  await change(first, "received_at = 1")
  await deliver([first, second])
  expect(await votes()).toEqual({ [first!]: [1, 0], [second!]: [0, 1] })
})

it("a judgement that says a pair and its opposite at once says neither", async () => {
  const [both, other] = await receiveTwo(false)
  await change(other, "annotator = 'bob'")
  await deliver([both, other])
  await bindings.DB.batch([
    bindings.DB.prepare(
      "INSERT INTO pair_statements (pair_id, comparison_id) SELECT id, ?1 FROM pairs WHERE comparison_id = ?2",
    ).bind(both, other),
    bindings.DB.prepare(MARK_STATED("(?1)")).bind(both),
    ...COUNT_VOTES.map((sql) => bindings.DB.prepare(sql)),
  ])
  expect(await votes()).toEqual({ [both!]: [0, 1], [other!]: [1, 0] })
})

it("the opposite in another dataset is no vote against a pair", async () => {
  await createDataset("other", "tiny")
  await deliver(await receive([choice("hello", "the", "an")]))
  await deliver(await receive([choice("hello", "an", "the")], "other"))
  await deliver(await receive([choice("hello", "the", "an", "once more")]))
  const all = (await pairs()).map((pair) => [pair.dataset_id, pair.status, pair.votes_for, pair.votes_against])
  expect(all.toSorted()).toEqual([
    ["other", "ready", 1, 0],
    [DATASET, "ready", 2, 0],
  ])
})
