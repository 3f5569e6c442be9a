// The queue's consumer over real D1, R2, KV and a real session: what becomes of comparisons.
import { beforeEach, describe, expect, it } from "vitest"
import { canonicalJson, referenceFingerprint, sha256Hex } from "#shared/formats/digest.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { recordKey } from "#shared/wire/reference-record.ts"
import { decoderTokenLogProbs } from "#test/reference/decoder.ts"
import { loadedModels } from "#workers/scorer/LoadedModels.ts"
import { tinyTokenisation } from "./tiny-model.ts"
import {
  bindings,
  CHAT_DATASET,
  choice,
  comparisonStates,
  counters,
  createDataset,
  DATASET,
  deliver,
  model,
  only,
  outbox,
  pairs,
  receive,
  startWorld,
  tokenIds,
} from "./world.ts"

beforeEach(startWorld)

/** The same choice in messages. */
const asMessages = ({ prompt, candidates, ...rest }: Comparison): Comparison => {
  const messages = (role: "user" | "assistant", content: unknown) => [{ role, content: String(content) }] as const
  const [first, ...others] = candidates.map(({ id, response }) => ({ id, response: messages("assistant", response) }))
  return { ...rest, prompt: messages("user", prompt), candidates: [first!, ...others] }
}

const fingerprint = async () =>
  referenceFingerprint({
    weights: model.files["model.safetensors"]!,
    tokenizer: model.files["tokenizer.json"]!,
    template: await sha256Hex(tinyTokenisation().chatTemplate!),
  })

const cached = async (responseDigest: string) => {
  const key = recordKey(await fingerprint(), responseDigest)
  const { value, metadata } = await bindings.REFERENCES.getWithMetadata<{ s: number; n: number }>(key, "arrayBuffer")
  return { logProbs: new Float32Array(value!), metadata }
}

describe("a choice", () => {
  it("becomes one ready pair with the tokenizer's ids, named and split by what the model reads", async () => {
    const [id] = await receive([choice("hello, how?", "the world", "an hour")])
    expect(await deliver([id])).toEqual({ acknowledged: [id], retried: [] })
    const pair = await only()
    const expected = tinyTokenisation().tokenisePair(
      { prompt: "hello, how?", chosen: "the world", rejected: "an hour" },
      { maxLength: 128 },
    )
    if (expected._tag === "Dropped") throw new Error(expected.reason)
    expect(tokenIds(pair)).toEqual({
      prompt: [...expected.promptIds],
      chosen: [...expected.chosenIds],
      rejected: [...expected.rejectedIds],
    })
    expect(pair).toMatchObject({
      id: await sha256Hex(
        canonicalJson({
          ...{ dataset: DATASET, prompt: [...expected.promptIds] },
          ...{ chosen: [...expected.chosenIds], rejected: [...expected.rejectedIds] },
        }),
      ),
      comparison_id: id,
      task: "answering",
      status: "ready",
      reason: null,
      weight: 1,
      tokenizer_digest: model.files["tokenizer.json"],
    })
    expect(await comparisonStates()).toEqual({ [id!]: "paired" })
    expect(await outbox()).toEqual([])
  })

  it("leaves both responses' log-probs in KV, within 1e-4 nats of an f64 forward pass", async () => {
    await deliver(await receive([choice("hello, how?", "the world", "an hour")]))
    const pair = await only()
    const { prompt, chosen, rejected } = tokenIds(pair)
    for (const [response, digest] of [
      [chosen, pair.chosen_digest],
      [rejected, pair.rejected_digest],
    ] as const) {
      const expected = decoderTokenLogProbs(model.config, model.weights, [...prompt, ...response], prompt.length)
      const { logProbs, metadata } = await cached(digest)
      expect(logProbs.length).toBe(response.length)
      logProbs.forEach((logProb, index) => {
        expect(Math.abs(logProb - expected[index]!)).toBeLessThan(1e-4)
      })
      expect(metadata).toMatchObject({ n: response.length, ep: "wasm", v: 1 })
      expect(metadata!.s).toBeCloseTo(
        expected.reduce((sum, logProb) => sum + logProb, 0),
        3,
      )
    }
    expect(await counters()).toEqual({ sessions_opened: 1, responses_computed: 2 })
  })

  it("goes through the chat template when the dataset is of conversations and it is made of messages", async () => {
    const [id] = await receive([asMessages(choice("hello", "the", "an"))], CHAT_DATASET)
    await deliver([id])
    const { prompt, chosen } = tokenIds(await only())
    expect(tinyTokenisation().decode(prompt)).toBe("<s><|user|>hello</s><|assistant|>")
    expect(tinyTokenisation().decode(chosen)).toBe("the</s>")
  })

  it("puts every pair of a prompt on one side of the split, about a quarter of the prompts being held out", async () => {
    const prompts = Array.from({ length: 120 }, (_, index) => `question ${index}`)
    const comparisons = prompts.flatMap((prompt) => [choice(prompt, "a", "b"), choice(prompt, "c", "d")])
    await deliver(await receive(comparisons))
    const sides = Map.groupBy(await pairs(), (pair) => tokenIds(pair).prompt.join())
    expect(sides.size).toBe(120)
    for (const members of sides.values()) expect(new Set(members.map(({ split }) => split)).size).toBe(1)
    const heldOut = [...sides.values()].filter(([pair]) => pair!.split === "held-out").length
    const expected = await Promise.all(
      prompts.map(async (prompt) => Number.parseInt((await sha256Hex(JSON.stringify(prompt))).slice(0, 8), 16)),
    )
    expect(heldOut).toBe(expected.filter((head) => head < 0.25 * 2 ** 32).length)
  })
})

describe("whatever form it came in", () => {
  const decoded = (pair: Awaited<ReturnType<typeof only>>) => {
    const { prompt, chosen, rejected } = tokenIds(pair)
    return [prompt, chosen, rejected].map((ids) => tinyTokenisation().decode(ids))
  }
  const text = choice("hello, how?", "the world", "an hour")
  const messages = { ...asMessages(text), externalId: "two" }
  const between = { ...messages, externalId: "three", candidates: text.candidates }
  const turned = { ...text, externalId: "four", candidates: messages.candidates }

  it.each([
    [CHAT_DATASET, ["<s><|user|>hello, how?</s><|assistant|>", "the world</s>", "an hour</s>"]],
    [DATASET, ["<s>hello, how?", "the world</s>", "an hour</s>"]],
  ])("a comparison is one pair of dataset %s, in the dataset's form", async (dataset, said) => {
    const ids = await receive([text, messages, between, turned], dataset)
    await deliver(ids)
    expect(Object.values(await comparisonStates())).toEqual(["paired", "paired", "paired", "paired"])
    expect(decoded(await only())).toEqual(said)
  })

  it("is a conversation where the dataset says nothing and the model has a template", async () => {
    await createDataset("undeclared", "tiny", { promptForm: null })
    await deliver(await receive([text], "undeclared"))
    expect(decoded(await only())[0]).toBe("<s><|user|>hello, how?</s><|assistant|>")
  })

  it("has composition, width and white space on one side of the split, in a pair of their own", async () => {
    const variants = ["cafe\u0301 1 ok", "café 1 ok", " café\u00a01  ok\n", "café １ ok"]
    for (const dataset of [DATASET, CHAT_DATASET]) {
      await deliver(
        await receive(
          variants.map((prompt) => choice(prompt, "the", "an", prompt)),
          dataset,
        ),
      )
    }
    const all = await pairs()
    expect(all).toHaveLength(2 * variants.length)
    expect(new Set(all.map(({ split }) => split)).size).toBe(1)
  })
})

describe("delivered again", () => {
  const everything = async () => ({
    pairs: await pairs(),
    states: await comparisonStates(),
    counters: await counters(),
    keys: (await bindings.REFERENCES.list()).keys,
  })

  it("a comparison changes nothing and is acknowledged", async () => {
    const ids = await receive([choice("hello", "the", "an"), choice("hello", "he", "and")])
    await deliver(ids)
    const before = await everything()
    expect(before.pairs.length).toBe(2)
    expect((await deliver([...ids, ...ids])).acknowledged.toSorted()).toEqual([...ids, ...ids].toSorted())
    expect(await everything()).toEqual(before)
  })

  it("a comparison that comes twice in one batch becomes one pair, computed once", async () => {
    const [id] = await receive([choice("hello", "the", "an")])
    await deliver([id, id])
    expect((await pairs()).length).toBe(1)
    expect(await counters()).toEqual({ sessions_opened: 1, responses_computed: 2 })
  })

  it("in two consumers at once becomes one pair", async () => {
    const [id] = await receive([choice("hello", "the", "an")])
    await Promise.all([deliver([id]), deliver([id])])
    expect((await pairs()).length).toBe(1)
    expect((await counters()).sessions_opened).toBe(1)
  })

  it("an unknown comparison and a message without an id are acknowledged", async () => {
    expect((await deliver(["no-such-comparison", 7])).acknowledged).toEqual(["no-such-comparison", "7"])
  })
})

describe("responses that were scored before", () => {
  it("are read from KV: nothing is computed and no session is opened", async () => {
    await deliver(await receive([choice("hello", "the", "an")]))
    await loadedModels.clear()
    await deliver(await receive([choice("hello", "an", "the", "two")]))
    expect(await counters()).toEqual({ sessions_opened: 1, responses_computed: 2, responses_from_cache: 2 })
    expect(loadedModels.hasSession(model.files["model.onnx"]!)).toBe(false)
  })

  it("keep both sides when two labellers contradict each other", async () => {
    const ids = await receive([choice("hello", "the", "an"), choice("hello", "an", "the", "two")])
    await deliver(ids)
    const [first, second] = await pairs()
    expect(first!.chosen_digest).toBe(second!.rejected_digest)
    expect(first!.rejected_digest).toBe(second!.chosen_digest)
    expect([first!.status, second!.status]).toEqual(["ready", "ready"])
    expect((await counters()).responses_computed).toBe(2)
  })
})

describe("other judgements", () => {
  const candidates: Comparison["candidates"] = [
    { id: "a", response: "he" },
    { id: "b", response: "the" },
    { id: "c", response: "an" },
  ]

  it("make three pairs of a ranking of three, each response computed once", async () => {
    const ids = await receive([
      { externalId: "r", prompt: "hello", candidates, judgement: { kind: "ranking", ranks: { a: 3, b: 1, c: 2 } } },
    ])
    await deliver(ids)
    const decode = (ids: number[]) => tinyTokenisation().decode(ids, { skipSpecialTokens: true })
    const said = (await pairs()).map((pair) => `${decode(tokenIds(pair).chosen)} > ${decode(tokenIds(pair).rejected)}`)
    expect(said.toSorted()).toEqual(["an > he", "the > an", "the > he"])
    expect((await counters()).responses_computed).toBe(3)
  })

  it("weigh a strength by a third of its size", async () => {
    const [a, b] = candidates as unknown as [Comparison["candidates"][0], Comparison["candidates"][0]]
    await deliver(
      await receive([
        { externalId: "s", prompt: "hello", candidates: [a, b], judgement: { kind: "strength", value: -2 } },
      ]),
    )
    expect((await only()).weight).toBeCloseTo(2 / 3, 12)
  })

  it("weigh a pair by the one that carries it: another that states it too, once the first was taken back", async () => {
    const [a, b] = candidates as unknown as [Comparison["candidates"][0], Comparison["candidates"][0]]
    const strength = (externalId: string, value: number): Comparison => ({
      ...{ externalId, prompt: "hello", candidates: [a, b] },
      judgement: { kind: "strength", value },
    })
    const [first, second] = await receive([strength("one", -1), strength("two", -3)])
    await deliver([first])
    await deliver([second])
    expect(await only()).toMatchObject({ comparison_id: first, weight: expect.closeTo(1 / 3, 12) })
    // As the gateway does when the first is taken back and the second inherits.
    await bindings.DB.batch([
      bindings.DB.prepare("UPDATE pairs SET status = 'retracted'"),
      bindings.DB.prepare("UPDATE comparisons SET status = 'received' WHERE id = ?").bind(second),
      bindings.DB.prepare("INSERT INTO outbox (comparison_id, created_at) VALUES (?, 0)").bind(second),
    ])
    await deliver([second])
    expect(await only()).toMatchObject({ comparison_id: second, status: "ready", weight: 1 })
  })

  it("drop a tie without a pair", async () => {
    const [id] = await receive([{ externalId: "t", prompt: "hello", candidates, judgement: { kind: "tie" } }])
    expect((await deliver([id])).acknowledged).toEqual([id])
    expect(await pairs()).toEqual([])
    expect(await comparisonStates()).toEqual({ [id!]: "dropped: tie" })
    expect(await counters()).toEqual({})
  })
})

describe("a dataset whose reference runners compute", () => {
  it("has its comparisons become pairs, and nothing is scored here", async () => {
    await bindings.DB.prepare("UPDATE datasets SET reference_place = 'runner' WHERE id = ?").bind(DATASET).run()
    const ids = await receive([choice("hello", "the", "an")])
    expect((await deliver(ids)).acknowledged).toEqual(ids)
    expect(await pairs()).toMatchObject([{ status: "ready" }])
    expect(await counters()).toEqual({})
    expect((await bindings.REFERENCES.list()).keys).toEqual([])
  })
})
