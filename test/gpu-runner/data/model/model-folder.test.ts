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
  const whole = await readModelFolder(directory)
  const tensors = [...readSafetensors(readFileSync(`${directory}/model.safetensors`)).tensors.values()]
  const shards = { "model-1.safetensors": tensors.slice(0, 5), "model-2.safetensors": tensors.slice(5) }
  const weightMap: Record<string, string> = {}
  for (const [name, part] of Object.entries(shards)) {
    workspace.write(`sharded/${name}`, writeSafetensors(part))
    for (const tensor of part) weightMap[tensor.name] = name
  }
  workspace.write("sharded/model.safetensors.index.json", JSON.stringify({ weight_map: weightMap }))
  rmSync(`${directory}/model.safetensors`)
  const read = await readModelFolder(directory)
  expect([...read.tensors.keys()].sort()).toEqual([...whole.tensors.keys()].sort())
  for (const [name, tensor] of whole.tensors) expect(read.tensors.get(name)!.data).toEqual(tensor.data)
  rmSync(`${directory}/model-2.safetensors`)
  await expect(readModelFolder(directory)).rejects.toThrow(
    /model-2\.safetensors is missing; model\.safetensors\.index\.json names it/,
  )
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
