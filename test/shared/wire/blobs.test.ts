// Blobs by digest: bytes that are not what their name says are never data.
import { expect, it } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import { assembledKey, blobKey, blobPlace, findBlob, openBlob, pointerTo } from "#shared/wire/blobs.ts"

interface Stored {
  readonly text: string
  readonly customMetadata?: Readonly<Record<string, string>>
}

const bucketOf = (contents: Readonly<Record<string, string | Stored>>) => {
  const find = (key: string, range = { offset: 0, length: Number.POSITIVE_INFINITY }) => {
    const stored = contents[key]
    if (stored === undefined) return null
    const { text, customMetadata = {} } = typeof stored === "string" ? { text: stored } : stored
    const response = new Response(text.slice(range.offset, range.offset + range.length))
    const size = text.length
    return {
      size,
      customMetadata,
      body: response.body!,
      text: () => response.text(),
      arrayBuffer: () => response.arrayBuffer(),
    }
  }
  return {
    head: async (key: string) => find(key),
    get: async (key: string, options?: { readonly range: { readonly offset: number; readonly length: number } }) =>
      find(key, options?.range),
  }
}

it("stand under blobs/ and their digest", () => {
  expect(blobKey("0a")).toBe("blobs/0a")
})

it("are whole, missing, or corrupt with the digest that was found", async () => {
  const digest = await sha256Hex("content")
  const bytes = new TextEncoder().encode("content")
  expect(await findBlob(bucketOf({ [`blobs/${digest}`]: "content" }), digest)).toEqual({ kind: "whole", bytes })
  expect(await findBlob(bucketOf({ [digest]: "content" }), digest)).toEqual({ kind: "missing" })
  const found = await sha256Hex("other")
  expect(await findBlob(bucketOf({ [`blobs/${digest}`]: "other" }), digest)).toEqual({ kind: "corrupt", found })
})

it("that arrived in parts are read where they were put together, once their own key points there", async () => {
  const digest = await sha256Hex("content")
  const parts = { [assembledKey("u1")]: "content" }
  expect(await findBlob(bucketOf(parts), digest)).toEqual({ kind: "missing" })
  const bucket = bucketOf({
    ...parts,
    [blobKey(digest)]: { text: "", customMetadata: pointerTo(assembledKey("u1"), 7) },
  })
  expect(await findBlob(bucket, digest)).toMatchObject({ kind: "whole" })
  expect(await blobPlace(bucket, digest)).toEqual({ key: "uploads/u1", bytes: 7 })
  const range = await openBlob(bucket, digest, { offset: 3, length: 2 })
  expect(await range!.text()).toBe("te")
})
