// `yohaku pack inspect`: what a manifest and a shard say of themselves, by file, by digest, and from a gateway.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import path from "node:path"
import { HttpResponse, http } from "msw"
import { setupServer } from "msw/node"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { tensorOf } from "#shared/formats/weights/tensor.ts"
import { decodeManifest } from "#shared/wire/pack-manifest.ts"
import type { PackPair } from "#shared/wire/pack-shard.ts"
import { GATEWAY, problem } from "../../fleet/gateway-stand-in.ts"
import { writePackFolder } from "../../support/pack-folder.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const hex = (digit: string) => digit.repeat(64)
const meta = { snapshot: hex("a"), reference: hex("b"), tokenizer: hex("c") }
const pair = (digit: string, split: PackPair["split"]): PackPair => ({
  ...{ id: hex(digit), promptIds: [1, 2, 3], chosenIds: [4], rejectedIds: [5, 6], weight: 0.5, split },
  referenceLogProbs: { chosen: [-1.5], rejected: [-2, -0.25] },
})

const blobs = workspace.at("runner", "blobs")
mkdirSync(blobs, { recursive: true })
const pairs = [pair("1", "train"), pair("2", "held-out"), pair("3", "train")]
const manifest = writePackFolder(blobs, pairs, meta, { pairsPerShard: 2 })
const digest = path.basename(manifest)
const runner = ["--directory", workspace.at("runner")]

const shardBytes = readFileSync(path.join(blobs, decodeManifest(readFileSync(manifest)).shards[0]!.digest))
const weights = writeSafetensors([tensorOf("norm.weight", [2], Float32Array.of(1, 2))])
const NO_PACK = /is neither a manifest nor a shard of a pack; give the digest .*detail\.pack\.digest.*yohaku data check/

const ROW = {
  ...{ id: hex("1"), split: "train", weight: 0.5, promptTokens: 3, chosenTokens: 1, rejectedTokens: 2 },
  ...{ chosenLogProb: -1.5, rejectedLogProb: -2.25 },
}

describe("yohaku pack inspect", () => {
  test("tells a manifest's counts, splits, provenance, shards and first pairs", async () => {
    const { result } = await runYohakuJson("pack", "inspect", manifest)
    expect(result).toMatchObject({
      ...{ kind: "manifest", digest, dataset: "support", splitRule: 2, template: "", ...meta },
      ...{ pairs: 3, train: 2, heldOut: 1, tokens: 18, shardsHere: 2 },
      rows: [ROW, { ...ROW, id: hex("2"), split: "held-out" }],
    })
    const counted = (result.shards as readonly { pairs: number; heldOut: number; tokens: number; bytes: number }[]).map(
      (shard) => [shard.pairs, shard.heldOut, shard.tokens],
    )
    expect(counted).toEqual([
      [2, 1, 12],
      [1, 0, 6],
    ])
  })

  test("finds a digest among a runner's blobs, and tells what a shard holds", async () => {
    const { result } = await runYohakuJson("pack", "inspect", digest, ...runner, "--rows", "1")
    expect(result.rows).toEqual([ROW])
    const shard = result.shards[1].digest as string
    const { result: ofShard } = await runYohakuJson("pack", "inspect", shard, ...runner)
    expect(ofShard).toEqual({
      ...{ kind: "shard", digest: shard, bytes: result.shards[1].bytes, pairs: 1, train: 1, heldOut: 0, tokens: 6 },
      ...{ ...meta, rows: [{ ...ROW, id: hex("3") }] },
    })
  })

  test("says it for people", async () => {
    const { printed } = await runYohaku("pack", "inspect", manifest)
    expect(printed).toContain(`pack ${digest}\n3 pairs: 2 to train on, 1 held out; 18 tokens, `)
    expect(printed).toContain("2 shards, 2 of them on this machine:")
    expect(printed).toContain("111111111111…  train, weight 0.5, 3 + 1 | 2 tokens, -1.50 and -2.25 nats")
  })

  test("a manifest alone has no pairs to show, and says that its shards are elsewhere", async () => {
    const alone = workspace.write("alone/manifest.json", readFileSync(manifest))
    const { result } = await runYohakuJson("pack", "inspect", alone)
    expect([result.pairs, result.shardsHere, result.rows]).toEqual([3, 0, []])
    expect((await runYohaku("pack", "inspect", alone)).printed).toContain(
      "2 shards, 0 of them on this machine; with --url of the gateway the first is fetched and its pairs are shown:",
    )
    const { result: withRunner } = await runYohakuJson("pack", "inspect", alone, ...runner)
    expect([withRunner.shardsHere, withRunner.rows.length]).toEqual([2, 2])
    rmSync(alone)
  })

  describe("of the systems of this folder", () => {
    const before = process.cwd()
    const here = workspace.at("here")
    beforeAll(() => {
      // A state directory of `yohaku up`, and a folder that is no runner's.
      cpSync(blobs, workspace.at("here", ".yohaku", "up", "runner", "blobs"), { recursive: true })
      mkdirSync(workspace.at("here", ".yohaku", "sweep"))
      process.chdir(here)
    })
    afterAll(() => process.chdir(before))

    test("finds a digest without being told where, with its shards", async () => {
      const { result } = await runYohakuJson("pack", "inspect", digest)
      expect([result.shardsHere, result.rows.length]).toEqual([2, 2])
      const { result: ofShard } = await runYohakuJson("pack", "inspect", result.shards[1].digest as string)
      expect(ofShard.kind).toBe("shard")
    })

    test("what a run's runners were given to score is no pack of its own beside it, and is one alone", async () => {
      const asked = pairs.map(({ referenceLogProbs: _, ...pair }) => pair)
      const score = { ...meta, reference: "" }
      const beside = writePackFolder(path.join(here, ".yohaku/up/runner/blobs"), asked, score)
      expect((await runYohakuJson("pack", "inspect", ".yohaku/up")).result.digest).toBe(digest)
      mkdirSync(workspace.at("scored"))
      const alone = writePackFolder(workspace.at("scored"), asked, score)
      const { result } = await runYohakuJson("pack", "inspect", path.dirname(alone))
      expect([result.digest, result.reference]).toEqual([path.basename(alone), ""])
      rmSync(beside)
    })

    test.each([".yohaku", ".yohaku/up", ".yohaku/up/runner", ".yohaku/up/runner/blobs"])(
      "finds the pack of %s",
      async (folder) => {
        const { result } = await runYohakuJson("pack", "inspect", folder)
        expect([result.digest, result.shardsHere]).toEqual([digest, 2])
        const { result: named } = await runYohakuJson("pack", "inspect", digest, "--directory", folder)
        expect(named).toEqual(result)
      },
    )

    test("of several packs tells which there are, of none what to give", async () => {
      const second = writePackFolder(path.join(here, ".yohaku/up/runner/blobs"), [pair("4", "train")], meta)
      const { code, told } = await runYohaku("pack", "inspect", ".yohaku/up")
      expect(code).toBe(1)
      expect(told).toContain(".yohaku/up holds 2 packs; give one of them:")
      expect(told).toContain(`${digest}  dataset support, snapshot aaaaaaaaaaaa…, 3 pairs, with log-probs`)
      for (const name of [digest, path.basename(second)]) expect(told).toContain(`/.yohaku/up/runner/blobs/${name}`)
      rmSync(second)
      const { told: ofNone } = await runYohaku("pack", "inspect", hex("9"))
      expect(ofNone).toContain("is not in any folder in .yohaku; give the --directory")
      expect((await runYohaku("pack", "inspect", ".yohaku/sweep")).told).toContain(".yohaku/sweep holds no pack; give")
    })
  })

  describe("of a gateway", () => {
    const elsewhere = workspace.at("elsewhere")
    const fromGateway = (name: string) =>
      ["pack", "inspect", name, "--url", GATEWAY, "--directory", elsewhere, "--json"] as const
    let asked: string[] = []
    const server = setupServer(
      http.get(`${GATEWAY}/v1/blobs/:digest`, ({ params, request }) => {
        const { headers } = request
        const [, last] = /^bytes=0-(\d+)$/.exec(headers.get("range") ?? "") ?? []
        asked.push(`${params.digest} ${headers.get("authorization")}${last === undefined ? "" : ", its start"}`)
        const stored = params.digest === hex("8") ? Buffer.alloc(9000) : blobOf(String(params.digest))
        if (stored === undefined) return problem("not-found", 404, "no such blob")
        if (last === undefined) return new HttpResponse(stored)
        const start = stored.subarray(0, Number(last) + 1)
        const range = `bytes 0-${start.length - 1}/${stored.length}`
        return new HttpResponse(start, { status: 206, headers: { "content-range": range } })
      }),
    )
    const blobOf = (name: string) => {
      const file = path.join(blobs, name)
      return existsSync(file) ? readFileSync(file) : undefined
    }
    beforeAll(() => {
      server.listen({ onUnhandledFrame: "error" })
      process.env.YOHAKU_TOKEN = "yhk_read"
    })
    afterAll(() => {
      delete process.env.YOHAKU_TOKEN
      server.close()
    })

    test("fetches the manifest and its first shard, with the key in the environment", async () => {
      const { printed } = await runYohaku(...fromGateway(digest))
      const result = JSON.parse(printed)
      expect([result.pairs, result.shardsHere, result.rows[0]]).toEqual([3, 1, ROW])
      const whole = [digest, result.shards[0].digest].map((name) => `${name} Bearer yhk_read`)
      expect(asked).toEqual(whole.flatMap((line) => [`${line}, its start`, line]))
    })

    test("says of a digest that is not there which to give, and leaves no file", async () => {
      const { code, told } = await runYohaku(...fromGateway(hex("7")))
      expect([code, told]).toEqual([
        1,
        expect.stringMatching(/has no pack 7{64}; give .*detail\.pack\.digest.*30 days/),
      ])
      expect(readdirSync(path.join(elsewhere, "blobs")).filter((name) => name.startsWith("7"))).toEqual([])
    })

    test("fetches of what is no pack its start alone", async () => {
      asked = []
      const { code, told } = await runYohaku(...fromGateway(hex("8")))
      expect([code, told]).toEqual([1, expect.stringMatching(NO_PACK)])
      expect(asked).toEqual([`${hex("8")} Bearer yhk_read, its start`])
    })
  })

  test.each([
    [["inspect"], /say `yohaku pack inspect DIGEST\|FILE\|DIR`/],
    [["show", digest], /say `yohaku pack inspect DIGEST\|FILE\|DIR`/],
    [["inspect", "abc"], /there is no file abc, and a digest has 64 digits/],
    [["inspect", hex("9"), ...runner], /is not in .*runner; give the --directory .* or --url/],
    [["inspect", manifest, "--rows", "x"], /--rows x: give a whole number from 0 to 1024/],
    [["inspect", workspace.write("other.json", '{"a":1}')], NO_PACK],
    [["inspect", workspace.write("other.bin", "12345678")], NO_PACK],
    [["inspect", workspace.write("large.bin", new Uint8Array(33 * 2 ** 20))], NO_PACK],
    [["inspect", workspace.write("model.safetensors", weights)], NO_PACK],
    [["inspect", workspace.write("cut.json", readFileSync(manifest).subarray(0, -1))], /manifest of a pack.* no JSON/],
    [["inspect", workspace.write("cut.bin", shardBytes.subarray(0, -1))], /the shard is no valid safetensors file/],
    [
      ["inspect", workspace.write(`damaged/${digest}`, readFileSync(manifest).subarray(0, -1))],
      /is damaged.*remove it/,
    ],
  ])("%j is refused with what to do", async (words, fault) => {
    const { code, told } = await runYohaku("pack", ...words)
    expect(code).toBeGreaterThan(0)
    expect(told).toMatch(fault)
  })
})
