import { beforeEach, describe, expect, it } from "vitest"
import main from "#workers/gateway/main.ts"
import { ADMIN, bindings, call, makeKey, newKey, type Problem, post, rows, startWorld } from "./world.ts"

beforeEach(startWorld)

describe("API keys", () => {
  it("lets a new key do what its scopes say and nothing else", async () => {
    const key = await makeKey("read")
    expect((await call("GET", "/v1/status", { key })).status).toBe(200)
    const refused = await post<Problem>("/v1/datasets/support/runs", {}, { key })
    expect(refused.status).toBe(403)
    expect(refused.value).toMatchObject({
      type: "urn:yohaku:problem:forbidden",
      detail: "Use a key with the scope train.",
    })
  })

  it("stores neither the secret nor its plain hash, not even in the remembered answer", async () => {
    const key = await makeKey("read")
    const secret = key.split("_").at(-1)!
    const everything = JSON.stringify([
      await rows("SELECT * FROM api_keys"),
      await rows("SELECT * FROM idempotency WHERE body LIKE 'sealed:%'"),
    ])
    expect(key).toMatch(/^yhk_test_[0-9a-f]{16}_[0-9a-f]{64}$/)
    expect(everything).toContain("sealed:")
    expect(everything).not.toContain(secret)
  })

  it("answers a repeated creation with the same key", async () => {
    const idempotencyKey = newKey()
    const first = await post("/v1/keys", { label: "x", scopes: ["read"] }, { idempotencyKey })
    const again = await post("/v1/keys", { label: "x", scopes: ["read"] }, { idempotencyKey })
    expect([again.status, again.text]).toEqual([201, first.text])
    expect(await rows("SELECT * FROM api_keys")).toHaveLength(1)
  })

  it("refuses a revoked key, an expired key, a wrong secret, an unknown key and none, all alike", async () => {
    const made = (await post<{ id: string; key: string }>("/v1/keys", { label: "x", scopes: ["read"] })).value
    expect((await call("GET", "/v1/status", { key: made.key })).status).toBe(200)
    expect((await call("DELETE", `/v1/keys/${made.id}`)).status).toBe(204)
    const expiring = { label: "x", scopes: ["read"], expiresAt: Date.now() + 3_600_000 }
    const expired = await post<{ id: string; key: string }>("/v1/keys", expiring)
    expect((await call("GET", "/v1/status", { key: expired.value.key })).status).toBe(200)
    await bindings.DB.prepare("UPDATE api_keys SET expires_at = ? WHERE key_id = ?")
      .bind(Date.now(), expired.value.id)
      .run()
    const good = await makeKey("read")
    const wrong = good.slice(0, -1) + (good.endsWith("0") ? "1" : "0")
    const unknown = good.replace(/_[0-9a-f]{16}_/, "_0000000000000000_")
    const elsewhere = good.replace("yhk_test_", "yhk_production_")
    const answers = await Promise.all(
      [made.key, expired.value.key, wrong, unknown, elsewhere, "", "Bearer", null].map((key) =>
        call<Problem>("GET", "/v1/status", { key }),
      ),
    )
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect(answers[0]!.status).toBe(401)
    expect(answers[0]!.value.type).toBe("urn:yohaku:problem:unauthenticated")
    expect(answers[0]!.headers.get("www-authenticate")).toBe('Bearer realm="yohaku"')
  })

  it("is not made with an expiry that has passed", async () => {
    for (const expiresAt of [1, Date.now() - 1]) {
      const refused = await post<Problem>("/v1/keys", { label: "x", scopes: ["read"], expiresAt })
      expect(refused.value).toMatchObject({
        ...{ status: 422, type: "urn:yohaku:problem:unusable-request" },
        detail: expect.stringMatching(/^expiresAt \d+ has passed already, .* give a time after \d+/),
      })
    }
    expect((await post("/v1/keys", { label: "x", scopes: ["read"], expiresAt: -1 })).status).toBe(400)
    expect(await rows("SELECT * FROM api_keys")).toEqual([])
  })

  it("tells a missing scope before it tells whether a thing exists", async () => {
    const key = await makeKey("ingest")
    const [known, unknown] = await Promise.all(
      ["support", "nowhere"].map((id) => call("GET", `/v1/datasets/${id}`, { key })),
    )
    expect(known!.status).toBe(403)
    expect(unknown!.text).toBe(known!.text)
  })

  it("answers 404 when asked to revoke what is not there", async () => {
    const answer = await call<Problem>("DELETE", "/v1/keys/0000")
    expect(answer.value).toMatchObject({ status: 404, type: "urn:yohaku:problem:not-found", resource: "api key" })
  })

  it("says which secret is missing instead of serving without it", async () => {
    const { YOHAKU_PEPPER: _, ...others } = bindings
    const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext
    const response = await main.fetch(
      new Request("https://gateway.test/v1/status", { headers: { authorization: `Bearer ${ADMIN}` } }) as never,
      { ...others },
      context,
    )
    expect(response.status).toBe(500)
    expect(await response.json()).toMatchObject({
      type: "urn:yohaku:problem:misconfigured",
      detail: expect.stringContaining("YOHAKU_PEPPER"),
    })
  })
})
