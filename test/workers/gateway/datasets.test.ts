// What a dataset declares of its prompts.
import { beforeEach, describe, expect, it } from "vitest"
import { call, DATASET, type Problem, post, startWorld } from "./world.ts"

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
