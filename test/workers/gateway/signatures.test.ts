import { Webhook } from "standardwebhooks"
import { describe, expect, it } from "vitest"
import { faultOfSecret } from "#workers/gateway/signatures/secrets.ts"
import { verifyStandardWebhook } from "#workers/gateway/signatures/standard-webhooks.ts"
import { SECRET_HEADER, verifyStaticSecret } from "#workers/gateway/signatures/static-secret.ts"

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
const OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
const BODY = '{"test": 2432232314}'
const VECTOR = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
const VECTOR_SECONDS = 1614265330

const sign = (secret: string, seconds: number, body = BODY, id = ID): string =>
  new Webhook(secret).sign(id, new Date(seconds * 1000), body)

interface Sent {
  readonly id?: string | null
  readonly timestamp?: string | null
  readonly signature?: string | null
  readonly body?: string
  readonly nowSeconds?: number
  readonly secrets?: readonly string[]
}

const verify = (sent: Sent = {}): Promise<boolean> => {
  const headers = new Headers()
  const { id = ID, timestamp = String(VECTOR_SECONDS), signature = VECTOR } = sent
  if (id !== null) headers.set("webhook-id", id)
  if (timestamp !== null) headers.set("webhook-timestamp", timestamp)
  if (signature !== null) headers.set("webhook-signature", signature)
  const delivery = {
    headers,
    rawBody: new TextEncoder().encode(sent.body ?? BODY),
    nowMs: (sent.nowSeconds ?? VECTOR_SECONDS) * 1000,
  }
  return verifyStandardWebhook(delivery, sent.secrets ?? [SECRET])
}

describe("a Standard Webhooks signature", () => {
  it("of the specification's vector is valid", async () => {
    expect(sign(SECRET, VECTOR_SECONDS)).toBe(VECTOR)
    expect(await verify()).toBe(true)
  })

  it("made by the reference library is valid for bodies of any kind, also the empty one", async () => {
    for (const body of ["", "{}", '{"é":"日本語 🍵"}', "x".repeat(100_000)])
      expect(await verify({ body, signature: sign(SECRET, VECTOR_SECONDS, body) })).toBe(true)
  })

  it("is valid up to five minutes either way, and not one second more", async () => {
    for (const [shift, isValid] of [
      [300, true],
      [-300, true],
      [301, false],
      [-301, false],
    ] as const)
      expect(await verify({ nowSeconds: VECTOR_SECONDS + shift })).toBe(isValid)
  })

  it("may be one of several, of any version", async () => {
    const wrong = sign(OTHER, VECTOR_SECONDS)
    expect(await verify({ signature: `${wrong} v2,${VECTOR.slice(3)} ${VECTOR}` })).toBe(true)
    expect(await verify({ signature: `${wrong} v2,${VECTOR.slice(3)}` })).toBe(false)
  })

  it("may be made with either of two live secrets", async () => {
    expect(await verify({ secrets: [OTHER, SECRET] })).toBe(true)
    expect(await verify({ secrets: [SECRET, OTHER] })).toBe(true)
    expect(await verify({ secrets: [OTHER] })).toBe(false)
    expect(await verify({ secrets: [] })).toBe(false)
  })

  it("takes the secret with and without its prefix", async () => {
    expect(await verify({ secrets: [SECRET.slice("whsec_".length)] })).toBe(true)
  })

  it("is not valid when a header is missing, malformed, cut or for another body", async () => {
    const bad: Sent[] = [
      { id: null },
      { timestamp: null },
      { signature: null },
      { signature: "" },
      { timestamp: "hello" },
      { timestamp: "1614265330abc" },
      { timestamp: "1e9" },
      { timestamp: " " },
      { id: "" },
      { id: "another" },
      { body: '{"test":2432232314}' },
      { signature: VECTOR.slice(0, 20) },
      { signature: VECTOR.slice(3) },
      { signature: "v1," },
      { signature: `v1,${"!".repeat(44)}` },
    ]
    for (const sent of bad) expect(await verify(sent), JSON.stringify(sent)).toBe(false)
  })

  it("does not cover parts that were shifted by a dot in the id", async () => {
    const body = `${VECTOR_SECONDS}.${BODY}`
    const signature = sign(SECRET, 7, body)
    expect(await verify({ id: `${ID}.7`, signature })).toBe(false)
  })
})

describe("a static secret", () => {
  it("must be sent exactly, and may be either of two", async () => {
    const secrets = ["first-secret-of-16", "second-secret-of-16"]
    const sends = (value: string) => verifyStaticSecret(new Headers({ [SECRET_HEADER]: value }), secrets)
    expect(await Promise.all(["first-secret-of-16", "second-secret-of-16"].map(sends))).toEqual([true, true])
    expect(
      await Promise.all(["", "first-secret-of-1", "first-secret-of-166", "FIRST-SECRET-OF-16"].map(sends)),
    ).toEqual(Array(4).fill(false))
    expect(await verifyStaticSecret(new Headers(), secrets)).toBe(false)
  })
})

describe("a secret for an endpoint", () => {
  it("must be long enough and of the form that its source can send", () => {
    for (const secret of [SECRET, OTHER]) expect(faultOfSecret("argilla", secret)).toBeUndefined()
    for (const secret of ["whsec_", "whsec_AAAA", "whsec_!!!", SECRET.slice(6), `whsec_${"A".repeat(100)}`])
      expect(faultOfSecret("retrain", secret)).toMatch(/whsec_ and the base64/)
    expect(faultOfSecret("label-studio", "sixteen-letters!")).toBeUndefined()
    for (const secret of ["short", "sixteen letters and a space", "日本語日本語日本語日本語日本語日本語"])
      expect(faultOfSecret("label-studio", secret)).toMatch(/at least 16 visible/)
  })
})
