// A job's pack: every shard beside its manifest, fetched once; a shard that the store has lost ends the job with the mend.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect, Exit } from "effect"
import { HttpResponse, http } from "msw"
import { afterEach, expect, test } from "vitest"
import { cachedPack } from "#gpu-runner/fleet/cached-pack.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import type { PackPair } from "#shared/wire/pack-shard.ts"
import { writePackFolder } from "../support/pack-folder.ts"
import { GATEWAY, leasedJob, problem, standIn, TOKEN } from "./gateway-stand-in.ts"

const folders: string[] = []
const folder = () => {
  folders.push(mkdtempSync(path.join(tmpdir(), "yohaku-")))
  return folders.at(-1)!
}
let close: () => void = () => undefined
afterEach(() => {
  close()
  for (const made of folders.splice(0)) rmSync(made, { recursive: true })
})

const hex = (digit: string) => digit.repeat(64)
const pairs = ["1", "2", "3", "4", "5"].map(
  (digit): PackPair => ({ id: hex(digit), promptIds: [1], chosenIds: [2], rejectedIds: [3], split: "train" }),
)

/** A gateway that holds a pack of five shards, but for what was taken from it; `asked` are the digests that were fetched. */
const gatewayWithPack = (lose: (digests: readonly string[]) => readonly string[] = () => []) => {
  const store = folder()
  const manifest = writePackFolder(
    store,
    pairs,
    { snapshot: hex("a"), reference: "", tokenizer: hex("c") },
    { pairsPerShard: 1 },
  )
  const digest = path.basename(manifest)
  const shards = readdirSync(store).filter((name) => name !== digest)
  for (const lost of lose(shards)) rmSync(path.join(store, lost))
  const asked: string[] = []
  const { server } = standIn(leasedJob())
  server.use(
    http.get(`${GATEWAY}/v1/blobs/:digest`, ({ params }) => {
      asked.push(String(params.digest))
      if (!readdirSync(store).includes(String(params.digest))) return problem("not-found", 404, "no such blob")
      const bytes = readFileSync(path.join(store, String(params.digest)))
      return new HttpResponse(bytes, { headers: { "content-type": "application/octet-stream" } })
    }),
  )
  server.listen({ onUnhandledFrame: "error" })
  close = () => server.close()
  return { digest, shards, asked }
}

const packFrom = (directory: string, digest: string) =>
  cachedPack(directory, digest).pipe(Effect.provide(layerHttp({ url: GATEWAY, token: TOKEN })))
const fetchPack = (directory: string, digest: string) => Effect.runPromiseExit(packFrom(directory, digest))

test("a pack is fetched shard by shard, and only what is not there yet", async () => {
  const { digest, shards, asked } = gatewayWithPack()
  const kept = folder()
  const manifest = path.join(kept, "blobs", digest)
  expect(await fetchPack(kept, digest)).toEqual(Exit.succeed(manifest))
  expect(readdirSync(path.join(kept, "blobs")).sort()).toEqual([digest, ...shards].sort())
  expect(asked.toSorted()).toEqual([digest, ...shards].sort())
  rmSync(path.join(kept, "blobs", shards[2]!))
  expect(await fetchPack(kept, digest)).toEqual(Exit.succeed(manifest))
  expect(asked.slice(6)).toEqual([shards[2]])
})

test("a shard that the store has lost ends the job for good, by its name and with the mend", async () => {
  const { digest, shards } = gatewayWithPack((all) => all.slice(3, 4))
  const failure = await Effect.runPromise(Effect.flip(packFrom(folder(), digest)))
  expect(failure).toMatchObject({ _tag: "JobFailed", retryable: false })
  expect(failure.message).toMatch(
    new RegExp(`^shard \\d of 5 \\(${shards[3]}\\) is missing; fetch the pack again, or start the run again`),
  )
})
