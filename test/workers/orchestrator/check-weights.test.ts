// A base model's weights are held against its configuration and index before it is registered, by their headers alone.
import { beforeEach, describe, expect, it } from "vitest"
import { writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { WEIGHTS, WEIGHTS_INDEX } from "#shared/formats/weights/safetensors-index.ts"
import { assembledKey, blobKey, pointerTo } from "#shared/wire/blobs.ts"
import { leaseNext, work } from "./test-runner.ts"
import {
  addPairs,
  BASE_TENSORS,
  baseFiles,
  bindings,
  orchestrator,
  putBlob,
  startWorld,
  triggerOnce,
  valueIn,
} from "./world.ts"

const SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const
const HALF = 4

beforeEach(() => startWorld())

const indexOf = (map: Readonly<Record<string, string>>) => putBlob(JSON.stringify({ weight_map: map }))
const trueMap = () => Object.fromEntries(BASE_TENSORS.map(({ name }, at) => [name, SHARDS[at < HALF ? 0 : 1]]))

/** The base model in two shards; null takes a file away. */
const sharded = async (changes: Readonly<Record<string, string | null>> = {}): Promise<Record<string, string>> => {
  const { [WEIGHTS]: _, ...documents } = await baseFiles()
  const files: Record<string, string | null> = {
    ...documents,
    [WEIGHTS_INDEX]: await indexOf(trueMap()),
    [SHARDS[0]]: await putBlob(writeSafetensors(BASE_TENSORS.slice(0, HALF))),
    [SHARDS[1]]: await putBlob(writeSafetensors(BASE_TENSORS.slice(HALF))),
    ...changes,
  }
  return Object.fromEntries(Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== null))
}

const register = (files: Record<string, string>) => orchestrator.registerModel({ name: "new", kind: "base", files })

const expectRefused = async (files: Record<string, string>, message: RegExp) => {
  expect(await register(files)).toEqual({
    ok: false,
    error: { _tag: "Invalid", message: expect.stringMatching(message) },
  })
  expect(await bindings.DB.prepare("SELECT count(*) AS count FROM models WHERE name = 'new'").first("count")).toBe(0)
}

describe("weights in shards", () => {
  it("are registered with their index, and looked for where an upload in parts left them", async () => {
    const files = await sharded()
    const digest = files[SHARDS[1]]!
    await bindings.BLOBS.put(assembledKey("u1"), writeSafetensors(BASE_TENSORS.slice(HALF)))
    await bindings.BLOBS.put(blobKey(digest), "", {
      customMetadata: { ...pointerTo(assembledKey("u1"), writeSafetensors(BASE_TENSORS.slice(HALF)).length) },
    })
    expect(valueIn(await register(files))).toMatchObject({ name: "new", version: 1, files })
  })

  it("are refused where a shard is missing", async () => {
    await expectRefused(
      await sharded({ [SHARDS[1]]: null }),
      /^model\.safetensors\.index\.json of the base model cannot be used: .* names model-00002-of-00002\.safetensors, which the model's files lack; /,
    )
  })

  it("are refused where the index names a tensor that no shard has, or another shard has", async () => {
    const more = { ...trueMap(), "model.layers.7.mlp.up_proj.weight": SHARDS[0] }
    await expectRefused(
      await sharded({ [WEIGHTS_INDEX]: await indexOf(more) }),
      /says that model-00001.* holds model\.layers\.7\.mlp\.up_proj\.weight, and no file of the model holds it/,
    )
    const moved = { ...trueMap(), [BASE_TENSORS[0]!.name]: SHARDS[1] }
    await expectRefused(
      await sharded({ [WEIGHTS_INDEX]: await indexOf(moved) }),
      /says that model-00002.* holds model\.embed_tokens\.weight, and it is in model-00001/,
    )
  })

  it("are refused where two shards hold one tensor", async () => {
    const both = await putBlob(writeSafetensors(BASE_TENSORS.slice(HALF - 1)))
    await expectRefused(
      await sharded({ [SHARDS[1]]: both }),
      /model-00001.* and model-00002.* both hold model\.layers\.0/,
    )
  })

  it("are refused where the index is no index", async () => {
    await expectRefused(await sharded({ [WEIGHTS_INDEX]: await putBlob("{}") }), /has no weight_map/)
  })
})

describe("safetensors from which a model is not read", () => {
  const stray = () => putBlob("other weights")

  it("are refused by name, of a model that is stored and of one on a hub", async () => {
    const whole = { ...(await baseFiles()), "consolidated.safetensors": await stray(), [SHARDS[0]]: await stray() }
    const message = new RegExp(
      `^consolidated\\.safetensors, ${SHARDS[0]} of the base model cannot be used: its weights are read from model\\.safetensors, and from no other safetensors; leave out what is not named; register a corrected version$`,
    )
    await expectRefused(whole, message)
    const source = { repository: "acme/tiny", commit: "0".repeat(40) }
    expect(await orchestrator.registerModel({ name: "new", kind: "base", files: whole, source })).toEqual({
      ok: false,
      error: { _tag: "Invalid", message: expect.stringMatching(message) },
    })
    await expectRefused(
      await sharded({ "adapter_model.safetensors": await stray() }),
      /^adapter_model\.safetensors of .* read from the 2 files that model\.safetensors\.index\.json names, and from no/,
    )
  })

  it("are named up to five", async () => {
    const many = Object.fromEntries(
      await Promise.all(Array.from({ length: 9 }, async (_, at) => [`x${at}.safetensors`, await stray()] as const)),
    )
    await expectRefused({ ...(await baseFiles()), ...many }, /^x0\.safetensors, .*x4\.safetensors and 4 more of the /)
  })
})

describe("weights in one file", () => {
  it.each<[string, () => Uint8Array<ArrayBuffer>, RegExp]>([
    ["too short", () => writeSafetensors(BASE_TENSORS).slice(0, -4), /^model\.safetensors of .*fetch it again in full/],
    ["empty", () => new Uint8Array(), /^model\.safetensors of the base model cannot be used: it is empty/],
    ["no safetensors", () => new Uint8Array(64).fill(0x20), /the header claims .* is this safetensors\?/],
    ["of another model", () => writeSafetensors(BASE_TENSORS.slice(1)), /model\.embed_tokens\.weight is missing/],
  ])("are refused where they are %s", async (_, bytes, message) => {
    await expectRefused({ ...(await baseFiles()), [WEIGHTS]: await putBlob(bytes()) }, message)
  })

  it("are read no further than their header, however long that is", async () => {
    const note = { note: "x".repeat(300_000) }
    const files = { ...(await baseFiles()), [WEIGHTS]: await putBlob(writeSafetensors(BASE_TENSORS, note)) }
    expect(valueIn(await register(files))).toMatchObject({ version: 1 })
  })
})

it("a configuration of an unknown architecture is refused by name", async () => {
  const files = { ...(await baseFiles()), "config.json": await putBlob('{"architectures":["MambaForCausalLM"]}') }
  await expectRefused(files, /^config\.json of the base model cannot be used: .*Mamba/)
})

describe("a model that is registered by digests, from a hub", () => {
  const source = { repository: "acme/tiny", commit: "0".repeat(40) }
  const registerFrom = (files: Record<string, string>) =>
    orchestrator.registerModel({ name: "new", kind: "base", files, source })

  it("needs no stored weights, and has the digest of any other", async () => {
    const stored = await sharded()
    const files = { ...stored, [SHARDS[0]]: "a".repeat(64), [SHARDS[1]]: "b".repeat(64) }
    const version = valueIn(await registerFrom(files))
    expect(version).toMatchObject({ version: 1, files, source })
    expect(valueIn(await registerFrom(files))).toEqual(version)
    const row = await bindings.DB.prepare("SELECT digest, source FROM models WHERE name = 'new'").first()
    expect(row).toEqual({ digest: version.digest, source: JSON.stringify(source) })
    const pushed = valueIn(await orchestrator.registerModel({ name: "other", kind: "base", files: stored }))
    expect(pushed.source).toBeUndefined()
    expect(
      valueIn(await orchestrator.registerModel({ name: "third", kind: "base", files: stored, source })).digest,
    ).toBe(pushed.digest)
  })

  it("is named in the jobs of a run on it, so that a runner knows where its weights are", async () => {
    await bindings.DB.prepare("UPDATE models SET source = ? WHERE name = 'tiny'").bind(JSON.stringify(source)).run()
    await addPairs(0, 8)
    await triggerOnce("from-hub")
    expect((await leaseNext()).spec).toMatchObject({ kind: "train", base: await baseFiles(), baseSource: source })
    await work(1)
    expect((await leaseNext()).spec).toMatchObject({ kind: "evaluate", baseSource: source })
  })

  it("needs its documents, every shard of its index, and a source that is one", async () => {
    const { [SHARDS[1]]: _, ...lacking } = await sharded()
    expect(await registerFrom(lacking)).toMatchObject({ ok: false, error: { message: expect.stringMatching(/lack/) } })
    const files = { ...(await sharded()), "tokenizer.json": "c".repeat(64) }
    expect(await registerFrom(files)).toMatchObject({
      ok: false,
      error: { message: `blob ${"c".repeat(64)} was not uploaded; upload it first` },
    })
    const odd = { repository: "acme", commit: "main" }
    const input = { name: "new", kind: "base" as const, files: await sharded(), source: odd }
    expect(await orchestrator.registerModel(input)).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/^source names owner\/name on a hub, and a commit/) },
    })
  })
})
