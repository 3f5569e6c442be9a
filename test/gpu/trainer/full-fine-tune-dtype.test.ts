// A full fine-tune ends in the base's dtype, shards and names: the f32 weights that were trained, rounded once at the end.
import { readFileSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { asFloat32, encodeTensor } from "#shared/formats/weights/safetensors.ts"
import { runYohakuJson } from "#test/gpu-runner/support/run-yohaku.ts"
import {
  createWorkspace,
  jsonLines,
  shard,
  storeAs,
  tinyPairs,
  writeTinyModel,
} from "#test/gpu-runner/support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const data = workspace.write("pairs.jsonl", jsonLines(tinyPairs(6)))
const settings = { method: "simpo", loraRank: 0, batch: 3, epochs: 1, learningRate: 1e-2, warmupRatio: 0 }
const config = workspace.write("config.json", JSON.stringify(settings))

async function train(model: string, name: string) {
  const out = workspace.at(name)
  const argv = ["train", "--model", model, "--data", data, "--config", config, "--out", out]
  const { code, told, result: report } = await runYohakuJson(...argv)
  expect(told).toBe("")
  expect(code).toBe(0)
  return { out, report, folder: await readModelFolder(out) }
}

test("of a sharded bf16 base are bf16 shards: what the same run on f32 files ends with, rounded to nearest", async () => {
  const half = writeTinyModel(workspace, "bf16")
  storeAs(half, "BF16")
  const wide = writeTinyModel(workspace, "f32")
  storeAs(wide, "BF16")
  storeAs(wide, "F32")
  shard(half)
  const rounded = await train(half, "rounded")
  const exact = await train(wide, "exact")
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
  expect(Object.keys(rounded.report.files)).toEqual(shards)
  expect(Object.keys(exact.report.files)).toEqual(["model.safetensors"])
  for (const name of ["model.safetensors.index.json", "config.json"]) {
    expect(readFileSync(`${rounded.out}/${name}`)).toEqual(readFileSync(`${half}/${name}`))
  }
  const before = (await readModelFolder(half)).tensors
  let changed = 0
  for (const [name, tensor] of exact.folder.tensors) {
    expect(tensor.dtype).toBe("F32")
    const expected = encodeTensor(name, tensor.shape, asFloat32(tensor), "BF16")
    expect(rounded.folder.tensors.get(name)).toEqual(expected)
    if (!Buffer.from(expected.data).equals(Buffer.from(before.get(name)!.data))) changed++
  }
  expect(changed).toBeGreaterThan(10)
  expect(readFileSync(`${rounded.out}/README.md`, "utf8")).toContain("library_name: transformers")
})
