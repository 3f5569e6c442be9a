// The graph that a push writes for a model folder: with every value of the checkpoint, or none.
import { readFileSync, rmSync } from "node:fs"
import { afterAll, describe, expect, it } from "vitest"
import { writeEdgeGraph } from "#gpu-runner/data/model/edge-graph.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { notesOf } from "#shared/formats/onnx/graph-file.ts"
import { exactGraphWeights } from "#shared/formats/onnx/graph-weights.ts"
import { asFloat32, encodeTensor, type FloatDtype } from "#shared/formats/weights/tensor.ts"
import { decoderTokenLogProbs } from "#test/reference/decoder.ts"
import {
  randomDecoder,
  randomTokenIds,
  smallFields,
  smallLlamaConfig,
  weightValues,
} from "#test/reference/random-decoder.ts"
import { runGraph } from "#test/shared/formats/onnx/run-graph.ts"
import { createWorkspace, TINY_FIELDS, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(() => workspace.remove())

describe("the edge's graph of a model folder", () => {
  it("computes what the checkpoint's weights give, of a family other than Llama too", async () => {
    const directory = writeTinyModel(workspace, "gemma", 1, smallFields("gemma3", TINY_FIELDS))
    const graph = (await writeEdgeGraph(directory, workspace.directory))!
    const { config, tensors } = await readModelFolder(directory)
    const tokenIds = randomTokenIds(config, 20, 3)
    const file = readFileSync(graph.path)
    expect([graph.name, graph.bytes, notesOf(file).precision]).toEqual(["model.onnx", file.length, "f32"])
    const found = await runGraph(file, tokenIds, 4)
    const expected = decoderTokenLogProbs(config, weightValues(tensors), tokenIds, 4)
    for (const [index, value] of expected.entries()) expect(Math.abs(found[index]! - value)).toBeLessThan(1e-4)
  })

  it("is not written for a model that does not fit, whose weights are not even looked at", async () => {
    const fields = { ...smallFields("llama", TINY_FIELDS), hidden_size: 2048, head_dim: 512, intermediate_size: 8192 }
    workspace.write("large/config.json", JSON.stringify(fields))
    expect(await writeEdgeGraph(workspace.at("large"), workspace.directory)).toBeUndefined()
  })

  it("is a failure where the weights are missing of one that does", async () => {
    const directory = writeTinyModel(workspace, "empty", 2)
    rmSync(`${directory}/model.safetensors`)
    await expect(writeEdgeGraph(directory, workspace.directory)).rejects.toMatchObject({ _tag: "ModelFileMissing" })
  })

  it.each<[FloatDtype, readonly string[]]>([
    ["F32", ["f32"]],
    ["BF16", ["f32", "bf16"]],
    ["F16", ["f32", "f16"]],
  ])("keeps every value of a checkpoint in %s when it is held in %j", (dtype, expected) => {
    const tensors = [...randomDecoder(smallLlamaConfig(), 1)].map(
      ([name, tensor]) => [name, encodeTensor(name, tensor.shape, asFloat32(tensor), dtype)] as const,
    )
    expect(exactGraphWeights(new Map(tensors))).toEqual(expected)
  })
})
