import { reset } from "cloudflare:test"
import { Effect } from "effect"
import { beforeEach, describe, expect, it } from "vitest"
import { recordKey } from "#shared/wire/reference-record.ts"
import { ReferenceCache } from "#workers/scorer/ReferenceCache.ts"
import { bindings } from "./world.ts"

const KEY = recordKey("0123456789abcdef".repeat(4), "a".repeat(64))
const LOG_PROBS = Float32Array.of(-0.5, -2.25, -1)

const use = <A, E>(
  work: (cache: ReferenceCache["Service"]) => Effect.Effect<A, E>,
  kv: KVNamespace = bindings.REFERENCES,
) => Effect.runPromise(ReferenceCache.use(work).pipe(Effect.provide(ReferenceCache.layer(kv))))

const isPresent = async (responseTokens: number, kv?: KVNamespace) =>
  (await use((cache) => cache.readPresent([{ key: KEY, responseTokens }]), kv)).has(KEY)

const failing = (kv: KVNamespace, method: "getWithMetadata" | "put", failures: number): KVNamespace =>
  new Proxy(kv, {
    get: (target, name) =>
      name === method && failures-- > 0
        ? () => Promise.reject(new Error("KV PUT failed: 429 Too Many Requests"))
        : Reflect.get(target, name).bind(target),
  })

beforeEach(reset)

describe("the reference cache", () => {
  it("writes f32 little-endian values with their sum, count, place and version", async () => {
    await use((cache) => cache.write([{ key: KEY, logProbs: LOG_PROBS }]))
    const { value, metadata } = await bindings.REFERENCES.getWithMetadata(KEY, "arrayBuffer")
    expect([...new Uint8Array(value!)]).toEqual([0, 0, 0, 0xbf, 0, 0, 0x10, 0xc0, 0, 0, 0x80, 0xbf])
    expect(metadata).toEqual({ s: -3.75, n: 3, ep: "wasm", v: 1 })
    expect(await isPresent(3)).toBe(true)
  })

  it("accepts a record that a runner wrote", async () => {
    await bindings.REFERENCES.put(KEY, LOG_PROBS.buffer, { metadata: { s: -3.75, n: 3, ep: "webgpu", v: 1 } })
    expect(await isPresent(3)).toBe(true)
  })

  it("takes every record for missing while KV cannot be read", async () => {
    await use((cache) => cache.write([{ key: KEY, logProbs: LOG_PROBS }]))
    expect(await isPresent(3, failing(bindings.REFERENCES, "getWithMetadata", 1))).toBe(false)
    expect(await isPresent(3)).toBe(true)
  })

  it("writes again when KV refuses twice, and fails with the reason when it refuses three times", async () => {
    const entries = [{ key: KEY, logProbs: LOG_PROBS }]
    await use((cache) => cache.write(entries), failing(bindings.REFERENCES, "put", 2))
    expect(await isPresent(3)).toBe(true)
    const refused = await use((cache) => Effect.flip(cache.write(entries)), failing(bindings.REFERENCES, "put", 3))
    expect(refused._tag).toBe("StorageFailed")
    expect(refused.message).toBe(`KV failed to write ${KEY}: KV PUT failed: 429 Too Many Requests`)
  })
})
