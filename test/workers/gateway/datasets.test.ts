// What a dataset declares of its prompts.
import { beforeEach, describe, expect, it } from "vitest"
import { encodePairTokens } from "#shared/wire/pair-tokens.ts"
import { bindings, call, DATASET, type Problem, post, startWorld } from "./world.ts"

beforeEach(startWorld)

const referenceModel = { name: "tiny" }

describe("a dataset's prompts", () => {
  it.each([
    [{ promptForm: "text" }],
    [{ promptForm: "chat" }],
    [{ promptForm: "chat", systemText: "Be brief.\n" }],
    [{ systemText: "Be brief." }],
  ])("are as it declares: %j", async (declared) => {
    const made = await post("/v1/datasets", { id: "new", referenceModel, ...declared })
    expect([made.status, made.value]).toMatchObject([201, { id: "new", ...declared }])
    expect((await call("GET", "/v1/datasets/new")).value).toMatchObject(declared)
  })

  it("are left to the model's template where it declares nothing", async () => {
    const { value } = await call<object>("GET", `/v1/datasets/${DATASET}`)
    expect([Object.hasOwn(value, "promptForm"), Object.hasOwn(value, "systemText")]).toEqual([false, false])
  })

  it("in plain text have no system text", async () => {
    const refused = await post<Problem>("/v1/datasets", {
      ...{ id: "new", referenceModel },
      ...{ promptForm: "text", systemText: "Be brief." },
    })
    expect(refused.value).toMatchObject({
      status: 422,
      detail: 'systemText is a turn of a conversation, and promptForm "text" has none; leave one of them out',
    })
  })

  it("must be such that the model can take them: what the scorer says is the answer", async () => {
    const refused = await post<Problem>("/v1/datasets", { id: "new", referenceModel, systemText: "refuse" })
    expect(refused.value).toMatchObject({ status: 422, detail: "the chat template takes no system text" })
    expect((await call("GET", "/v1/datasets/new")).status).toBe(404)
  })

  it.each([[{ promptForm: "messages" }], [{ systemText: "" }], [{ systemText: "x".repeat(32_769) }]])(
    "are refused as %j by the path",
    async (declared) => {
      const refused = await post<Problem>("/v1/datasets", { id: "new", referenceModel, ...declared })
      expect(refused.status).toBe(400)
      expect(refused.value.detail).toMatch(/body\.(promptForm|systemText)/)
    },
  )
})

it("a dataset of a base model's name is refused when it is made: what its runs train could not be registered", async () => {
  const refused = await post<Problem>("/v1/datasets", { id: "tiny", referenceModel })
  expect([refused.status, refused.value]).toMatchObject([
    409,
    {
      type: "urn:yohaku:problem:conflict",
      detail:
        '"tiny" is the name of a base model, and what the dataset\'s runs train is registered under the dataset\'s id; choose another id, such as "tiny-pairs".',
    },
  ])
  expect((await call("GET", "/v1/datasets/tiny")).status).toBe(404)
})

describe("where a dataset's reference is computed", () => {
  const change = (reference: object) =>
    call<{ reference: object }>("PATCH", `/v1/datasets/${DATASET}`, { json: { reference } })

  it("is decided by what fits, said with the reason, and follows what is asked for", async () => {
    const { value } = await call("GET", `/v1/datasets/${DATASET}`)
    expect(value).toMatchObject({ reference: { place: "edge", why: "the graph fits", precision: "stored" } })
    const made = await post("/v1/datasets", { id: "new", referenceModel, reference: { place: "runner" } })
    const asked = { place: "runner", why: "it was asked for", precision: "stored" }
    expect([made.status, made.value]).toMatchObject([201, { reference: asked }])
    const coded = await post("/v1/datasets", { id: "coded", referenceModel, reference: { precision: "nf4" } })
    expect(coded.value).toMatchObject({ reference: { place: "runner", why: "no graph fits", precision: "nf4" } })
  })

  it("is changed by itself; its precision stays where nothing else is said, and what the edge cannot is refused", async () => {
    expect((await change({ precision: "int8" })).value.reference).toMatchObject({ place: "runner", precision: "int8" })
    const refused = await change({ place: "edge" })
    expect(refused.value).toMatchObject({ status: 422, detail: "the edge cannot compute this reference" })
    expect((await change({ place: "edge", precision: "stored" })).value.reference).toMatchObject({ place: "edge" })
    const other = await call("PATCH", `/v1/datasets/${DATASET}`, { json: { quietSeconds: 5 } })
    expect(other.value).toMatchObject({ quietSeconds: 5, reference: { place: "edge" } })
  })

  it.each([[{ place: "moon" }], [{ precision: "int4" }], [{ why: "because" }]])(
    "is refused as %j",
    async (reference) => {
      expect((await change(reference)).status).toBe(400)
    },
  )

  it("is the edge's in a dataset of before there was anything else", async () => {
    await bindings.DB.exec(
      "UPDATE datasets SET reference_place = NULL, reference_why = NULL, reference_precision = NULL",
    )
    expect((await call("GET", `/v1/datasets/${DATASET}`)).value).toMatchObject({
      reference: { place: "edge", why: "when it was made, the edge computed every reference", precision: "stored" },
    })
  })
})

describe("a dataset's split", () => {
  const addPair = async (id: string, split: string, prompt: readonly number[], status = "ready", side = 0) => {
    const tokens = encodePairTokens({
      promptIds: Uint32Array.from(prompt),
      chosenIds: Uint32Array.of(1),
      rejectedIds: Uint32Array.of(2),
    })
    await bindings.DB.prepare(
      `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, token_ids, prompt_tokens,
                          chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at, side)
       VALUES (?, ?, 'c', ?, 1, ?, '', ?, ?, 1, 1, '', '', 0, ?)`,
    )
      .bind(id, DATASET, status, split, tokens.token_ids, prompt.length, side)
      .run()
  }
  const prompt = (first: number, changed?: number) =>
    Array.from({ length: 30 }, (_, at) => (at === 20 && changed !== undefined ? changed : 100 * first + at))
  const splitNow = async () => (await call<{ split: object }>("GET", `/v1/datasets/${DATASET}`)).value.split

  it("says how many held-out pairs nearly repeat a trained prompt, before any run", async () => {
    expect(await splitNow()).toEqual({ nearRepeats: 0, ofHeldOut: 0, againstTrain: 0 })
    await bindings.DB.prepare(
      `INSERT INTO comparisons (id, dataset_id, source, external_id, judgement_kind, payload_digest, payload_line, status, received_at)
       VALUES ('c', ?, 'api', 'c', 'choice', '', 0, 'paired', 0)`,
    )
      .bind(DATASET)
      .run()
    await addPair("t1", "train", prompt(1))
    await addPair("t2", "train", prompt(2))
    await addPair("t3", "train", prompt(5), "retracted")
    await addPair("h1", "held-out", prompt(1, 9999))
    await addPair("h2", "held-out", prompt(3))
    await addPair("h3", "held-out", prompt(5, 9999))
    // Verdicts are no pairs.
    await addPair("v1", "train", prompt(3), "ready", 1)
    await addPair("v2", "held-out", prompt(2), "ready", -1)
    expect(await splitNow()).toEqual({ nearRepeats: 1, ofHeldOut: 3, againstTrain: 2 })
  })
})
