// Blobs by digest: bytes that are not what their name says are never data.
import { expect, it } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import { blobKey, findBlob } from "#shared/wire/blobs.ts"

const bucketOf = (contents: Readonly<Record<string, string>>) => ({
  get: async (key: string) => {
    const text = contents[key]
    return text === undefined ? null : new Response(text)
  },
})

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
