// Files that arrive in parts: gone on with after an interruption, verified as a whole, and there for others only then.
import { beforeAll, beforeEach, describe, expect, it } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { partBytesOf } from "#workers/gateway/storage/Uploads.ts"
import { bindings, call, makeKey, octets, type Problem, rows, startWorld, unsized } from "./world.ts"

interface Upload {
  readonly status: "open" | "stored"
  readonly uploadId: string
  readonly partBytes: number
  readonly partCount: number
  readonly parts: readonly number[]
}

const PART = LIMITS.leastPartBytes
/** A whole part and one of five bytes. */
const file = new Uint8Array(PART + 5)
for (let at = 0; at < file.length; at += 4096) crypto.getRandomValues(file.subarray(at, at + 16))
let digest: string

beforeAll(async () => {
  digest = await sha256Hex(file)
})
beforeEach(startWorld)

const begin = async (of = digest, bytes = file.length) =>
  (await call<Upload>("POST", "/v1/uploads", { json: { digest: of, bytes } })).value
const put = (id: string, number: number, bytes: Uint8Array<ArrayBuffer>) =>
  call<Problem>("PUT", `/v1/uploads/${id}/parts/${number}`, { raw: bytes, headers: octets(bytes.length) })
const part = (number: number, of = file) => of.slice((number - 1) * PART, number * PART)
const complete = (id: string) => call<Problem & { created: boolean }>("POST", `/v1/uploads/${id}/complete`)
const typeOf = ({ status, value }: { readonly status: number; readonly value: Problem }) => [status, value.type]
const keysIn = async (prefix: string) => (await bindings.BLOBS.list({ prefix })).objects.map(({ key }) => key)

describe("a file in parts", () => {
  it("is begun once, gone on with, and there for others when it is complete", async () => {
    const first = await begin()
    expect(first).toMatchObject({ status: "open", partBytes: PART, partCount: 2, parts: [] })
    expect((await put(first.uploadId, 2, part(2))).value).toEqual({ number: 2, bytes: 5 })
    const again = await begin()
    expect(again).toEqual({ ...first, parts: [2] })
    expect((await call("GET", `/v1/uploads/${first.uploadId}`)).value).toEqual(again)
    expect((await call("GET", `/v1/blobs/${digest}`)).status).toBe(404)
    expect((await put(first.uploadId, 1, part(1))).value).toEqual({ number: 1, bytes: PART })
    expect((await complete(first.uploadId)).value).toEqual({ digest, bytes: file.length, created: true })
    expect(await begin()).toEqual({ status: "stored", digest, bytes: file.length })
    expect([await rows("SELECT * FROM uploads"), await rows("SELECT * FROM upload_parts")]).toEqual([[], []])
    const read = await bindings.BLOBS.get(`uploads/${first.uploadId}`)
    expect(await sha256Hex(new Uint8Array(await read!.arrayBuffer()))).toBe(digest)
    const whole = await call("HEAD", `/v1/blobs/${digest}`, { key: await makeKey("runner") })
    expect([whole.status, whole.headers.get("content-length")]).toEqual([200, String(file.length)])
  })

  it("that is stored is not begun with another size: one of the two that were given is wrong", async () => {
    const { uploadId } = await begin()
    for (const number of [1, 2]) await put(uploadId, number, part(number))
    await complete(uploadId)
    const refused = await call<Problem>("POST", "/v1/uploads", { json: { digest, bytes: 7 } })
    expect([refused.status, refused.value.detail]).toEqual([
      422,
      `${digest} is stored with ${file.length} bytes, and bytes of one digest have one size; take digest and size of the file once more.`,
    ])
  })

  it("may send a part again, also side by side: the last one counts", async () => {
    const { uploadId } = await begin()
    await put(uploadId, 1, new Uint8Array(PART))
    await put(uploadId, 1, part(1))
    await Promise.all([put(uploadId, 2, part(2)), put(uploadId, 2, part(2))])
    expect((await complete(uploadId)).value).toMatchObject({ created: true })
  })

  it("of other bytes than its digest says is refused, and nothing of it is kept", async () => {
    const { uploadId } = await begin()
    await put(uploadId, 1, part(1))
    await put(uploadId, 2, Uint8Array.of(1, 2, 3, 4, 5))
    expect(typeOf(await complete(uploadId))).toEqual([422, "urn:yohaku:problem:digest-mismatch"])
    expect([await keysIn("uploads/"), await rows("SELECT * FROM uploads")]).toEqual([[], []])
    expect((await call("GET", `/v1/blobs/${digest}`)).status).toBe(404)
    expect(await begin()).toMatchObject({ status: "open", parts: [] })
  })

  it("is not complete while parts are missing, and says which", async () => {
    const { uploadId } = await begin()
    await put(uploadId, 2, part(2))
    const refused = await complete(uploadId)
    expect(typeOf(refused)).toEqual([409, "urn:yohaku:problem:upload-incomplete"])
    expect(refused.value).toMatchObject({ lacking: 1, missing: [1] })
    expect(await begin()).toMatchObject({ uploadId, parts: [2] })
  })

  it("refuses parts of another size, of no number, without a length, and of an upload that nobody began", async () => {
    const { uploadId } = await begin()
    const small = await put(uploadId, 1, new Uint8Array(6))
    expect([...typeOf(small), small.value]).toMatchObject([
      422,
      "urn:yohaku:problem:part-unfit",
      { expectedBytes: PART },
    ])
    expect(typeOf(await put(uploadId, 2, new Uint8Array(6)))).toEqual([422, "urn:yohaku:problem:part-unfit"])
    expect((await put(uploadId, 3, new Uint8Array(5))).value).toMatchObject({ status: 422, parts: 2 })
    expect((await put(uploadId, 0, new Uint8Array(5))).status).toBe(400)
    const large = await call<Problem>("PUT", `/v1/uploads/${uploadId}/parts/1`, {
      ...{ raw: unsized("x"), headers: octets(PART + 1) },
    })
    expect(typeOf(large)).toEqual([413, "urn:yohaku:problem:body-too-large"])
    const endless = await call<Problem>("PUT", `/v1/uploads/${uploadId}/parts/1`, { raw: unsized("x") })
    expect(typeOf(endless)).toEqual([411, "urn:yohaku:problem:length-required"])
    expect((await put("nobody", 1, part(1))).value).toMatchObject({ status: 404, resource: "upload" })
    expect(typeOf(await complete("nobody"))).toEqual([404, "urn:yohaku:problem:not-found"])
    expect(await begin()).toMatchObject({ parts: [] })
  })

  it("refuses sizes that no file of it may have, and keys that may not write", async () => {
    for (const bytes of [0, -1, 1.5, LIMITS.partedFileBytes + 1])
      expect((await call("POST", "/v1/uploads", { json: { digest, bytes } })).status).toBe(400)
    const key = await makeKey("read", "ingest")
    expect((await call("POST", "/v1/uploads", { json: { digest, bytes: 1 }, key })).status).toBe(403)
  })
})

describe("two who send the same file", () => {
  it("share one upload, and completing it twice at once is completing it once", async () => {
    const [one, other] = await Promise.all([begin(), begin()])
    expect(other.uploadId).toBe(one.uploadId)
    await Promise.all([1, 2].map((number) => put(one.uploadId, number, part(number))))
    const answers = await Promise.all([complete(one.uploadId), complete(one.uploadId)])
    for (const answer of answers)
      expect([answer.status, answer.value]).toEqual([200, { digest, bytes: file.length, created: true }])
    expect(await keysIn("")).toEqual(expect.arrayContaining([`blobs/${digest}`, `uploads/${one.uploadId}`]))
    expect((await call("HEAD", `/v1/blobs/${digest}`)).status).toBe(200)
  })

  it("with other sizes do not disturb each other", async () => {
    const [right, wrong] = await Promise.all([begin(), begin(digest, 5)])
    await put(wrong.uploadId, 1, new Uint8Array(5))
    expect(typeOf(await complete(wrong.uploadId))).toEqual([422, "urn:yohaku:problem:digest-mismatch"])
    await Promise.all([1, 2].map((number) => put(right.uploadId, number, part(number))))
    expect((await complete(right.uploadId)).value).toMatchObject({ created: true })
  })

  it("of which one sent it in one body leave one copy", async () => {
    const { uploadId } = await begin()
    for (const number of [1, 2]) await put(uploadId, number, part(number))
    await call("PUT", `/v1/blobs/${digest}`, { raw: file, headers: octets(file.length) })
    expect((await complete(uploadId)).value).toEqual({ digest, bytes: file.length, created: false })
    expect(await keysIn("uploads/")).toEqual([])
    const again = await call("PUT", `/v1/blobs/${digest}`, { raw: file, headers: octets(file.length) })
    expect(again.value).toEqual({ digest, bytes: file.length, created: false })
  })
})

describe("an upload that is completed again, by who lost the answer, or by several at once", () => {
  const small = new TextEncoder().encode("small") as Uint8Array<ArrayBuffer>
  const otherBytes = new TextEncoder().encode("other") as Uint8Array<ArrayBuffer>
  const putSmall = async (bytes: Uint8Array<ArrayBuffer>) => {
    const { uploadId } = await begin(await sha256Hex(small), small.length)
    await put(uploadId, 1, bytes)
    return uploadId
  }
  const atOnceAndAgain = async (id: string) => {
    const answers = [...(await Promise.all([1, 2, 3].map(() => complete(id)))), await complete(id)]
    return answers.map(({ status, value }) => [status, status === 200 ? value : value.type])
  }
  const four = <A>(answer: A) => [answer, answer, answer, answer]

  it("is answered as before: made, there already, or of other bytes", async () => {
    const of = await sha256Hex(small)
    const wrong = await putSmall(otherBytes)
    expect(await atOnceAndAgain(wrong)).toEqual(four([422, "urn:yohaku:problem:digest-mismatch"]))
    const late = await putSmall(small)
    await call("PUT", `/v1/blobs/${of}`, { raw: small, headers: octets(small.length) })
    expect(await atOnceAndAgain(late)).toEqual(four([200, { digest: of, bytes: small.length, created: false }]))
    await bindings.BLOBS.delete(`blobs/${of}`)
    const made = await putSmall(small)
    expect(await atOnceAndAgain(made)).toEqual(four([200, { digest: of, bytes: small.length, created: true }]))
    expect(await keysIn("uploads/")).toEqual([`uploads/${made}`])
    expect((await atOnceAndAgain(wrong))[3]).toEqual([422, "urn:yohaku:problem:digest-mismatch"])
  })

  it("was made by itself where it was pointed to before a crash", async () => {
    const id = await putSmall(small)
    const [kept] = await rows<Record<string, string | number>>("SELECT * FROM uploads")
    const [part] = await rows<Record<string, string | number>>("SELECT * FROM upload_parts")
    await complete(id)
    await bindings.DB.batch([
      bindings.DB.prepare("DELETE FROM ended_uploads"),
      bindings.DB.prepare("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?)").bind(...Object.values(kept!)),
      bindings.DB.prepare("INSERT INTO upload_parts VALUES (?, ?, ?)").bind(...Object.values(part!)),
    ])
    expect((await atOnceAndAgain(id))[3]).toEqual([
      200,
      { digest: await sha256Hex(small), bytes: small.length, created: true },
    ])
  })

  it("is known for as long as an upload may take", async () => {
    const id = await putSmall(small)
    await complete(id)
    const age = (ms: number) =>
      bindings.DB.exec(`UPDATE ended_uploads SET ended_at = ${Date.now() - LIMITS.uploadMs + ms}`)
    await age(60_000)
    await begin(await sha256Hex("one"), 7)
    expect((await complete(id)).status).toBe(200)
    await age(-1)
    await begin(await sha256Hex("another"), 7)
    expect(typeOf(await complete(id))).toEqual([404, "urn:yohaku:problem:not-found"])
  })
})

describe("an upload that something happened to", () => {
  it("is verified where it was put together before a crash", async () => {
    const { uploadId } = await begin()
    for (const number of [1, 2]) await put(uploadId, number, part(number))
    const [row] = await rows<{ multipart_id: string }>("SELECT * FROM uploads")
    const parts = await rows<{ number: number; etag: string }>("SELECT number, etag FROM upload_parts")
    await bindings.BLOBS.resumeMultipartUpload(`uploads/${uploadId}`, row!.multipart_id).complete(
      parts.map(({ number, etag }) => ({ partNumber: number, etag })),
    )
    expect((await complete(uploadId)).value).toMatchObject({ created: true })
  })

  it("that the store gave up on is begun anew", async () => {
    const { uploadId } = await begin()
    for (const number of [1, 2]) await put(uploadId, number, part(number))
    await bindings.DB.exec("UPDATE upload_parts SET etag = 'lost' WHERE number = 2")
    expect(typeOf(await complete(uploadId))).toEqual([404, "urn:yohaku:problem:not-found"])
    const fresh = await begin()
    expect(fresh.parts).toEqual([])
    expect(fresh.uploadId).not.toBe(uploadId)
  })

  it("that was forgotten for six days is cleared away by the next that begins", async () => {
    const { uploadId } = await begin()
    await put(uploadId, 2, part(2))
    await bindings.DB.exec(`UPDATE uploads SET created_at = ${Date.now() - LIMITS.uploadMs - 1}`)
    await begin(await sha256Hex("another"), 7)
    expect((await call("GET", `/v1/uploads/${uploadId}`)).status).toBe(404)
    expect(await rows("SELECT * FROM upload_parts")).toEqual([])
  })
})

describe("a range of a file", () => {
  it("is what was asked for, of a file in parts as of one in one body", async () => {
    const { uploadId } = await begin()
    for (const number of [1, 2]) await put(uploadId, number, part(number))
    await complete(uploadId)
    const small = new TextEncoder().encode("0123456789")
    const name = await sha256Hex(small)
    await call("PUT", `/v1/blobs/${name}`, { raw: small, headers: octets(10) })
    const ranged = async (of: string, range: string) => {
      const { status, headers, text } = await call("GET", `/v1/blobs/${of}`, { headers: { range } })
      return [status, headers.get("content-range"), text]
    }
    expect(await ranged(name, "bytes=3-5")).toEqual([206, "bytes 3-5/10", "345"])
    expect(await ranged(name, "bytes=8-")).toEqual([206, "bytes 8-9/10", "89"])
    expect(await ranged(name, "bytes=-3")).toEqual([206, "bytes 7-9/10", "789"])
    expect(await ranged(name, "bytes=8-99")).toEqual([206, "bytes 8-9/10", "89"])
    expect((await ranged(name, "bytes=10-"))[0]).toBe(416)
    expect(await ranged(name, "bytes=1-2,4-5")).toEqual([200, null, "0123456789"])
    const tail = await call("GET", `/v1/blobs/${digest}`, { headers: { range: `bytes=${file.length - 2}-` } })
    expect([tail.status, tail.headers.get("content-length")]).toEqual([206, "2"])
  })
})

it("has parts so large that ten thousand hold the file, all of whole mebibytes", () => {
  expect(partBytesOf(1)).toBe(PART)
  for (const bytes of [LIMITS.partedFileBytes, 10_000 * PART + 1, 123_456_789_012]) {
    expect(Math.ceil(bytes / partBytesOf(bytes))).toBeLessThanOrEqual(LIMITS.parts)
    expect(partBytesOf(bytes) % 2 ** 20).toBe(0)
    expect(partBytesOf(bytes)).toBeLessThan(LIMITS.modelFileBytes)
  }
})
