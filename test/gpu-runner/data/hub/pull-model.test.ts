// `yohaku model pull` against a hub on this machine: what is fetched, resumed, checked, kept, removed and refused.
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest"
import { NotEnoughSpace } from "#gpu-runner/data/errors.ts"
import {
  ChecksumMismatch,
  HubRefused,
  HubUnreachable,
  ModelNotPulled,
  UnusableRepository,
} from "#gpu-runner/data/hub/errors.ts"
import { modelDirectory } from "#gpu-runner/data/hub/model-cache.ts"
import { type Pull, pullModel } from "#gpu-runner/data/hub/pull-model.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { createWorkspace, shard, writeTinyModel } from "../../support/tiny-folder.ts"
import { type LocalHub, repositoryOf, type StoredFile, startLocalHub } from "./local-hub.ts"

const REPOSITORY = "acme/tiny-1.5"
const workspace = createWorkspace()
afterAll(workspace.remove)

const text = (content: string): StoredFile => ({ content: new TextEncoder().encode(content) })
const tiny = repositoryOf(writeTinyModel(workspace))
const extras = {
  "README.md": text("---\nlicense: apache-2.0\n---\n# tiny\n"),
  "chat_template.jinja": text("{% for message in messages %}{{ message.content }}{% endfor %}"),
  "pytorch_model.bin": { content: new Uint8Array(1000), isLarge: true },
  "consolidated.safetensors": { content: new Uint8Array(500), isLarge: true },
  "onnx/model.onnx": { content: new Uint8Array(700), isLarge: true },
  ".gitattributes": text("*.safetensors filter=lfs\n"),
}
const WANTED = [
  "README.md",
  "chat_template.jinja",
  "config.json",
  "model.safetensors",
  "tokenizer.json",
  "tokenizer_config.json",
]

let hub: LocalHub
let folder = 0
beforeEach(async () => {
  hub = await startLocalHub(REPOSITORY)
  hub.commit({ ...tiny, ...extras })
  folder++
})
afterEach(() => hub.close())

const out = () => workspace.at(`pulled-${folder}`)
const pull = (changes: Partial<Pull> = {}) =>
  pullModel({
    access: { endpoint: hub.endpoint, token: undefined },
    repository: REPOSITORY,
    out: out(),
    retryDelayMs: 1,
    ...changes,
  })
const transfers = () => hub.requests.filter(({ url }) => url.includes("/storage/"))
const partials = () => readdirSync(out()).filter((name) => name.endsWith(".partial"))

describe("a pull", () => {
  test("fetches what a model folder needs and nothing else, byte for byte, and the folder loads", async () => {
    const progress: number[] = []
    const pulled = await pull({ onProgress: ({ doneBytes }) => progress.push(doneBytes) })
    expect([...pulled.files].sort()).toEqual(WANTED)
    expect([...pulled.fetched].sort()).toEqual(WANTED)
    for (const name of WANTED) {
      expect(new Uint8Array(readFileSync(`${out()}/${name}`))).toEqual({ ...tiny, ...extras }[name]!.content)
    }
    expect(readdirSync(out()).filter((name) => !name.startsWith("."))).toEqual(WANTED)
    expect(progress).toEqual(progress.toSorted((a, b) => a - b))
    expect(progress.at(-1)).toBe(pulled.fetchedBytes)
    const model = await readModelFolder(out())
    expect(model.name).toBe(REPOSITORY)
    expect(model.directory).toBe(out())
  })

  test("a second time asks one question and fetches nothing", async () => {
    const first = await pull()
    hub.requests.length = 0
    const second = await pull()
    expect(second).toMatchObject({ commit: first.commit, fetched: [], fetchedBytes: 0 })
    expect(hub.requests).toHaveLength(1)
  })

  test("fetches again only what a new commit changed, and removes what it no longer has", async () => {
    const sharded = writeTinyModel(workspace, `sharded-${folder}`)
    await pull()
    shard(sharded)
    const { "chat_template.jinja": _, ...rest } = extras
    hub.commit({ ...repositoryOf(sharded), ...rest })
    const { fetched } = await pull()
    expect([...fetched].sort()).toEqual([
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
    ])
    expect(existsSync(`${out()}/model.safetensors`)).toBe(false)
    expect(existsSync(`${out()}/chat_template.jinja`)).toBe(false)
    expect((await readModelFolder(out())).weights.files).toHaveLength(2)
  })

  test("finds a file that was changed on disk, and takes one that is there already", async () => {
    await pull()
    const file = `${out()}/tokenizer.json`
    const bytes = readFileSync(file)
    writeFileSync(
      file,
      bytes.map((byte, index) => (index === 5 ? byte ^ 1 : byte)),
    )
    utimesSync(`${out()}/config.json`, 1, 1)
    const { fetched } = await pull()
    expect(fetched).toEqual(["tokenizer.json"])
    expect(readFileSync(file)).toEqual(bytes)
  })

  test("takes further files by glob, and another revision by name", async () => {
    const old = [...hub.commits.keys()][0]!
    hub.commit({ ...tiny, ...extras, "config.json": text("{}") })
    hub.revisions.set("refs/pr/1", old)
    const pulled = await pull({ revision: "refs/pr/1", include: ["onnx/*.onnx", "*.bin"] })
    expect(pulled.commit).toBe(old)
    expect(pulled.files).toContain("onnx/model.onnx")
    expect(readFileSync(`${out()}/onnx/model.onnx`)).toHaveLength(700)
    expect(pulled.files).toContain("pytorch_model.bin")
  })
})

describe("an interrupted transfer", () => {
  test("goes on with a Range from the byte where it broke, within one pull", async () => {
    hub.misbehave("/storage/", { kind: "break", afterBytes: 4000, times: 2 })
    await pull()
    const ranges = transfers().map(({ range }) => range)
    expect(ranges).toEqual([undefined, "bytes=4000-", "bytes=8000-"])
    expect(new Uint8Array(readFileSync(`${out()}/model.safetensors`))).toEqual(tiny["model.safetensors"]!.content)
    expect(partials()).toEqual([])
  })

  test("goes on in the next pull, also by another process", async () => {
    hub.misbehave("/storage/", { kind: "status", status: 500, times: 4 })
    hub.misbehave("/storage/", { kind: "break", afterBytes: 5000, times: 1 })
    await expect(pull()).rejects.toThrow(HubUnreachable)
    expect(statSync(`${out()}/${partials()[0]}`).size).toBe(5000)
    expect(existsSync(`${out()}/model.safetensors`)).toBe(false)
    hub.requests.length = 0
    const { fetched } = await pull()
    expect(fetched).toEqual(["model.safetensors"])
    expect(transfers().map(({ range }) => range)).toEqual(["bytes=5000-"])
    expect(new Uint8Array(readFileSync(`${out()}/model.safetensors`))).toEqual(tiny["model.safetensors"]!.content)
  })

  test("starts again where the server knows no ranges", async () => {
    hub.misbehave("/storage/", { kind: "no-ranges" })
    hub.misbehave("/storage/", { kind: "break", afterBytes: 3000, times: 1 })
    await pull()
    expect(new Uint8Array(readFileSync(`${out()}/model.safetensors`))).toEqual(tiny["model.safetensors"]!.content)
  })

  test("is not continued into other contents: a new commit's file starts from nothing", async () => {
    hub.misbehave("/storage/", { kind: "status", status: 503, times: 4 })
    hub.misbehave("/storage/", { kind: "break", afterBytes: 5000, times: 1 })
    await expect(pull()).rejects.toThrow(HubUnreachable)
    hub.commit({
      ...tiny,
      "model.safetensors": repositoryOf(writeTinyModel(workspace, "other", 7))["model.safetensors"]!,
    })
    hub.requests.length = 0
    await pull()
    expect(transfers().map(({ range }) => range)).toEqual([undefined])
    expect(partials()).toEqual([])
  })

  test("stops at once when it is told to", async () => {
    const stop = new AbortController()
    const stopping = pull({ signal: stop.signal, onProgress: () => stop.abort(new Error("enough")) })
    await expect(stopping).rejects.toThrow()
    expect(existsSync(`${out()}/model.safetensors`)).toBe(false)
  })
})

describe("bytes that are not those of the hub", () => {
  test.each([
    ["model.safetensors", "/storage/", "SHA-256 of LFS"],
    ["config.json", "/config.json", "git's SHA-1 of a blob"],
  ])("of %s are refused and removed, by %3$s", async (name, where) => {
    hub.misbehave(where, { kind: "corrupt" })
    await expect(pull()).rejects.toThrow(ChecksumMismatch)
    await expect(pull()).rejects.toThrow(`${name} arrived with digest`)
    expect(existsSync(`${out()}/${name}`)).toBe(false)
    expect(partials()).toEqual([])
    expect(() => modelDirectory(REPOSITORY, workspace.directory)).toThrow(ModelNotPulled)
  })
})

describe("a hub that refuses", () => {
  test("says the name is unknown or private without a token (401), and that the token does not serve with one", async () => {
    const secret = await startLocalHub(REPOSITORY, "hf_right")
    try {
      secret.commit({ ...tiny, ...extras })
      const access = { endpoint: secret.endpoint, token: undefined }
      await expect(pull({ access })).rejects.toThrow(/does not exist or is private .*set HF_TOKEN/)
      await expect(pull({ access: { ...access, token: "hf_wrong" } })).rejects.toThrow(
        /cannot be read with this HF_TOKEN/,
      )
      await expect(pull({ access: { ...access, token: "secret" } })).rejects.toThrow(/tokens begin with hf_/)
      await pull({ access: { ...access, token: "hf_right" } })
      expect(
        secret.requests.filter(({ url }) => url.includes("/storage/")).map((request) => request.authorization),
      ).toEqual([undefined])
    } finally {
      await secret.close()
    }
  })

  test.each([
    [403, /access to acme\/tiny-1\.5 is not granted .*accept its terms at http.*acme\/tiny-1\.5, and set HF_TOKEN/],
    [404, /has no revision main, or does not exist .*check the name and --revision/],
    [500, /cannot be read from http.*try again later/],
  ])("with %d says the mend", async (status, message) => {
    hub.misbehave("/revision/main", { kind: "status", status, times: 9 })
    await expect(pull()).rejects.toThrow(HubRefused)
    await expect(pull()).rejects.toThrow(message)
  })

  test("in the middle of a transfer with 403 is not asked again", async () => {
    hub.misbehave("/storage/", { kind: "status", status: 403, times: 9 })
    await expect(pull()).rejects.toThrow(HubRefused)
    expect(transfers()).toHaveLength(1)
  })

  test("the files of a gated model, whose metadata is open, says whose terms to accept", async () => {
    hub.misbehave("/resolve/", { kind: "status", status: 401, times: 9, errorCode: "GatedRepo" })
    await expect(pull()).rejects.toThrow(/access to acme\/tiny-1\.5 is not granted .*accept its terms/)
  })

  test("that does not answer is named, with the reason", async () => {
    const access = { endpoint: "http://127.0.0.1:9", token: undefined }
    await expect(pull({ access })).rejects.toThrow(HubUnreachable)
    await expect(pull({ access })).rejects.toThrow(/no answer from http:\/\/127\.0\.0\.1:9: /)
  })
})

describe("a repository that cannot be used", () => {
  const { "model.safetensors": weights, ...noWeights } = tiny
  test.each([
    [
      "only pickles",
      { ...noWeights, "pytorch_model.bin": weights! },
      /only as pytorch_model\.bin, which is a pickle .*--revision refs\/pr\/N/,
    ],
    ["only GGUF", { ...noWeights, "tiny.gguf": weights! }, /has tiny\.gguf, but neither model\.safetensors nor/],
    ["no weights", noWeights, /has no weights/],
    [
      "no tokenizer",
      { "config.json": tiny["config.json"]!, "model.safetensors": weights! },
      /no tokenizer\.json and no tokenizer_config\.json/,
    ],
    [
      "an index of shards that are not there",
      { ...noWeights, "model.safetensors.index.json": text('{"weight_map": {"a": "model-1.safetensors"}}') },
      /names model-1\.safetensors .* but does not hold it/,
    ],
    ["a path that leads out", { ...tiny, "../../evil.json": text("{}") }, /leads out of a folder/],
  ])("with %s is refused by name", async (_what, files, message) => {
    hub.commit(files as Record<string, StoredFile>)
    await expect(pull()).rejects.toThrow(UnusableRepository)
    await expect(pull()).rejects.toThrow(message)
  })

  test("larger than the disk is refused before a byte of it is fetched", async () => {
    hub.commit({ ...tiny, "model.safetensors": { ...weights!, listedBytes: 2 ** 60 } })
    await expect(pull()).rejects.toThrow(/free, .* GB are still to be fetched; make room/)
    await expect(pull()).rejects.toThrow(NotEnoughSpace)
    expect(hub.requests.some(({ url }) => url.includes("/resolve/") && url.endsWith("model.safetensors"))).toBe(false)
  })
})
