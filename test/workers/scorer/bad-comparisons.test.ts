// Comparisons that become no pair: each is dropped with its reason or set aside, and holds up nobody else.
import { beforeEach, describe, expect, it } from "vitest"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import {
  bindings,
  CHAT_DATASET,
  choice,
  comparisonStates,
  deliver,
  only,
  outbox,
  pairs,
  receive,
  receiveLines,
  startWorld,
  takeBack,
} from "./world.ts"

beforeEach(startWorld)

describe("a comparison that cannot be used", () => {
  const good = choice("hello", "the", "an")
  const messages = (role: "system" | "user", content: string): Comparison["prompt"] => [{ role, content }]

  it.each<[what: string, line: string, state: string, dataset?: string]>([
    ["identical responses", JSON.stringify(choice("hello", "the", "the")), "dropped: identical"],
    [
      "a response over the dataset's length",
      JSON.stringify(choice("hello", "x".repeat(200), "an")),
      "dropped: over-length",
    ],
    ["a line that is not JSON", "{broken", "dropped: invalid payload: "],
    ["an empty line", "", "dropped: invalid payload: the line is missing"],
    ["a field of the wrong type", JSON.stringify({ ...good, prompt: 7 }), "dropped: invalid payload: "],
    [
      "a winner who is no candidate",
      JSON.stringify({ ...good, judgement: { kind: "choice", winner: "z" } }),
      'dropped: invalid judgement: the winner "z" is no candidate',
    ],
    [
      "a conversation where the dataset takes plain text",
      JSON.stringify({ ...good, prompt: [...messages("system", "hi"), ...messages("user", "hi")] }),
      "dropped: invalid text: the dataset takes plain text, and the prompt is a conversation (system, user), not one message of the user; ",
    ],
    [
      "a conversation that the template refuses",
      JSON.stringify({
        ...good,
        prompt: messages("system", "hi"),
        candidates: good.candidates.map(({ id, response }) => ({
          id,
          response: [{ role: "assistant", content: response }],
        })),
      }),
      "dropped: not tokenisable: ",
      CHAT_DATASET,
    ],
  ])("with %s is dropped with the reason, and the others of its batch go through", async (_, line, state, dataset) => {
    const [badId, goodId] = await receiveLines([line, JSON.stringify(good)], dataset)
    expect(await deliver([badId, goodId])).toEqual({ acknowledged: [badId, goodId], retried: [] })
    const states = await comparisonStates()
    expect(states[badId!]!.startsWith(state)).toBe(true)
    expect(states[goodId!]).toBe("paired")
    expect(await outbox()).toEqual([])
    const ready = (await pairs()).filter(({ status }) => status === "ready")
    expect(ready.map(({ comparison_id }) => comparison_id)).toEqual([goodId])
  })

  it("stores the dropped pair with its reason and without ids", async () => {
    await deliver(await receive([choice("hello", "the ".repeat(3000), "the")]))
    expect(await only()).toMatchObject({ status: "dropped", reason: "over-length", token_ids: null, prompt_tokens: 0 })
  })

  it("becomes no pair when it was superseded or retracted before it was processed", async () => {
    const [superseded, retracted] = await receive([good, choice("hello", "he", "an", "two")])
    const set = bindings.DB.prepare("UPDATE comparisons SET status = ? WHERE id = ?")
    await bindings.DB.batch([set.bind("superseded", superseded), set.bind("retracted", retracted)])
    expect((await deliver([superseded, retracted])).retried).toEqual([])
    expect(await pairs()).toEqual([])
    expect(await outbox()).toEqual([])
    expect(await comparisonStates()).toEqual({ [superseded!]: "superseded", [retracted!]: "retracted" })
  })

  it("becomes no pair when it is retracted while it is processed", async () => {
    const [id] = await receive([good])
    const retractOnRead = new Proxy(bindings.BLOBS, {
      get: (target, name) =>
        name === "get"
          ? async (key: string) => {
              await bindings.DB.prepare("UPDATE comparisons SET status = 'retracted' WHERE id = ?").bind(id).run()
              return target.get(key)
            }
          : Reflect.get(target, name).bind(target),
    })
    await deliver([id], { ...bindings, BLOBS: retractOnRead })
    expect(await pairs()).toEqual([])
    expect(await comparisonStates()).toEqual({ [id!]: "retracted" })
    expect(await outbox()).toEqual([])
  })

  it("leaves a retracted pair to the next comparison that states it", async () => {
    const [first] = await receive([good])
    await deliver([first])
    await takeBack(first!)
    expect(await only()).toMatchObject({ status: "retracted", votes_for: 0 })
    const [second] = await receive([{ ...good, externalId: "two" }])
    await deliver([second])
    expect(await only()).toMatchObject({ status: "ready", comparison_id: second })
  })

  it("is kept as one that states a pair, also where another carries it", async () => {
    const [first] = await receive([good])
    await deliver([first])
    const [second] = await receive([{ ...good, externalId: "two" }])
    await deliver([second])
    const { id } = await only()
    const noted = await bindings.DB.prepare("SELECT * FROM pair_statements ORDER BY comparison_id").all()
    const said = { pair_id: id, weight: 1, chosen_candidate: "b", rejected_candidate: "a" }
    const expected = [first!, second!].toSorted().map((each) => ({ ...said, comparison_id: each }))
    expect(noted.results).toEqual(expected)
  })
})
