// Model folders: whole and sharded weights, and a typed error that names each file that is missing.
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs"
import { afterAll, describe, expect, test } from "vitest"
import { ModelFileMissing } from "#gpu-runner/data/errors.ts"
import { mergeAdapter } from "#gpu-runner/data/model/merge-adapter.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { asFloat32, readSafetensors, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { withAdapter } from "#test/reference/lora.ts"
import { weightValues } from "#test/reference/random-decoder.ts"
import { randomAdapter } from "../../../gpu/models/tiny.ts"
import { createWorkspace, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

describe.each(["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])("without %s", (file) => {
  test("the error names the file and says what to give", async () => {
    const directory = writeTinyModel(workspace, `without-${file}`)
    rmSync(`${directory}/${file}`)
    await expect(readModelFolder(directory)).rejects.toThrow(ModelFileMissing)
    await expect(readModelFolder(directory)).rejects.toThrow(`${file} is missing; give a Hugging Face model folder`)
  })
})

test("a folder that is not there is named", async () => {
  await expect(readModelFolder(workspace.at("nowhere"))).rejects.toThrow(/nowhere is missing/)
})

test("sharded weights are the same weights, and a missing shard is named", async () => {
  const directory = writeTinyModel(workspace, "sharded")
  const tensors = [...readSafetensors(new Uint8Array(readFileSync(`${directory}/model.safetensors`))).tensors.values()]
  const shards = { "model-1.safetensors": tensors.slice(0, 5), "model-2.safetensors": tensors.slice(5) }
  const weightMap: Record<string, string> = {}
  for (const [name, part] of Object.entries(shards)) {
    workspace.write(`sharded/${name}`, writeSafetensors(part))
    for (const tensor of part) weightMap[tensor.name] = name
  }
  workspace.write("sharded/model.safetensors.index.json", JSON.stringify({ weight_map: weightMap }))
  rmSync(`${directory}/model.safetensors`)
  const read = await readModelFolder(directory)
  expect([...read.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort())
  for (const { name, data } of tensors) expect(read.tensors.get(name)!.data).toEqual(data)
  rmSync(`${directory}/model-2.safetensors`)
  await expect(readModelFolder(directory)).rejects.toThrow(
    /model-2\.safetensors is missing; model\.safetensors\.index\.json names it/,
  )
})

test("beside a single file an index says nothing, whatever stands in it", async () => {
  const directory = writeTinyModel(workspace, "beside")
  const { weightsDigest } = await readModelFolder(directory)
  workspace.write("beside/model.safetensors.index.json", "version https://git-lfs.github.com/spec/v1")
  expect((await readModelFolder(directory)).weightsDigest).toBe(weightsDigest)
})

test("weights that are written to after they were digested are no longer read: what is trained on has the digest that is noted", async () => {
  const directory = writeTinyModel(workspace, "written-to")
  const file = `${directory}/model.safetensors`
  const { tensors } = await readModelFolder(directory)
  const [name, tensor] = [...tensors][0]!
  expect(tensor.data).toEqual(readSafetensors(new Uint8Array(readFileSync(file))).tensors.get(name)!.data)
  const bytes = readFileSync(file)
  bytes[bytes.length - 1]! ^= 1
  workspace.write("written-to/model.safetensors", bytes)
  expect(() => tensor.data).toThrow(`${file} was changed while it was in use`)
})

test("a shard name that is a path is refused", async () => {
  const directory = writeTinyModel(workspace, "escaping")
  renameSync(`${directory}/model.safetensors`, `${directory}/other.safetensors`)
  workspace.write(
    "escaping/model.safetensors.index.json",
    JSON.stringify({ weight_map: { a: "../model/model.safetensors" } }),
  )
  expect(existsSync(`${directory}/model.safetensors.index.json`)).toBe(true)
  await expect(readModelFolder(directory)).rejects.toThrow(InvalidModel)
})

test("a tensor that two shards hold is refused by name: which counts would depend on the order of reading", async () => {
  const directory = writeTinyModel(workspace, "twice")
  const tensors = [...readSafetensors(new Uint8Array(readFileSync(`${directory}/model.safetensors`))).tensors.values()]
  const shards = { "model-1.safetensors": tensors.slice(0, 6), "model-2.safetensors": tensors.slice(5) }
  for (const [name, part] of Object.entries(shards)) workspace.write(`twice/${name}`, writeSafetensors(part))
  const weightMap = Object.fromEntries(
    tensors.map(({ name }, index) => [name, index < 6 ? "model-1.safetensors" : "model-2.safetensors"]),
  )
  workspace.write("twice/model.safetensors.index.json", JSON.stringify({ weight_map: weightMap }))
  rmSync(`${directory}/model.safetensors`)
  await expect(readModelFolder(directory)).rejects.toThrow(InvalidModel)
  await expect(readModelFolder(directory)).rejects.toThrow(
    `model-1.safetensors and model-2.safetensors both hold ${tensors[5]!.name}; fetch the model folder again`,
  )
})

test("a tensor that the index names twice is refused by name: readers would differ in the shard that counts", async () => {
  const directory = writeTinyModel(workspace, "named-twice")
  renameSync(`${directory}/model.safetensors`, `${directory}/model-1.safetensors`)
  const map = '"lm_head.weight":"model-1.safetensors","lm_head.weight":"model-2.safetensors"'
  workspace.write("named-twice/model.safetensors.index.json", `{"metadata":{},"weight_map":{${map}}}`)
  await expect(readModelFolder(directory)).rejects.toThrow(InvalidModel)
  await expect(readModelFolder(directory)).rejects.toThrow(
    'model.safetensors.index.json holds "lm_head.weight" twice, and which counts would depend on the reader; remove one',
  )
})

test("a head beside the embedding it is tied to is ignored where it is the same, and refused where it is not", async () => {
  const directory = writeTinyModel(workspace, "tied")
  const { tensors } = readSafetensors(new Uint8Array(readFileSync(`${directory}/model.safetensors`)))
  const embedding = tensors.get("model.embed_tokens.weight")!
  const withHead = async (data: Uint8Array) => {
    const { dtype, shape } = embedding
    const head = { name: "lm_head.weight", dtype, shape, data }
    workspace.write("tied/model.safetensors", writeSafetensors([...tensors.values(), head]))
    return readModelFolder(directory)
  }
  expect((await withHead(embedding.data)).tensors.get("lm_head.weight")!.data).toEqual(embedding.data)
  const other = Uint8Array.from(embedding.data)
  other[2]! ^= 1
  await expect(withHead(other)).rejects.toThrow(InvalidModel)
  await expect(withHead(other)).rejects.toThrow(
    "config.json has tie_word_embeddings true, and the weights hold an lm_head.weight of other values",
  )
})

test("a Git LFS pointer in the place of a file is called what it is, with the command that mends it", async () => {
  const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
  for (const [file, fault] of [
    ["model.safetensors", "model.safetensors: this is a Git LFS pointer, not the weights: run git lfs pull"],
    ["config.json", "config.json is a Git LFS pointer, not the file itself: run git lfs pull"],
    ["tokenizer.json", "tokenizer.json is a Git LFS pointer, not the file itself: run git lfs pull"],
  ]) {
    const directory = writeTinyModel(workspace, `pointer-${file}`)
    workspace.write(`pointer-${file}/${file}`, pointer)
    await expect(readModelFolder(directory)).rejects.toThrow(fault)
  }
})

test("folding an adapter in gives W + s·BA of every adapted module and leaves the rest", async () => {
  const { config, tensors } = await readModelFolder(writeTinyModel(workspace, "merged"))
  const adapter = randomAdapter(config, 3, 5)
  const merged = mergeAdapter(tensors, adapter)
  const expected = withAdapter(weightValues(tensors), { modules: adapter.modules, rank: 3, scaling: adapter.scaling })
  for (const [name, values] of expected) {
    const actual = asFloat32(merged.get(name)!)
    for (let i = 0; i < values.length; i++) expect(Math.abs(actual[i]! - values[i]!)).toBeLessThan(1e-6)
  }
  expect(merged.get("model.norm.weight")).toBe(tensors.get("model.norm.weight"))
})
