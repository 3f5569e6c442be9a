// How far the edge's log-probs are from the f64 twin's, for each family and each way to hold weights. Run: npx node test/bench/edge-precision.ts
// Small models with random f32 weights and every peculiarity of their family, and the demo's trained model; nats a token.
import { readFileSync } from "node:fs"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import { GRAPH_WEIGHTS } from "#shared/formats/onnx/graph-weights.ts"
import { readSafetensors } from "#shared/formats/weights/safetensors.ts"
import type { Tensor } from "#shared/formats/weights/tensor.ts"
import { decoderTokenLogProbs } from "#test/reference/decoder.ts"
import {
  FAMILY_NAMES,
  randomDecoder,
  randomTokenIds,
  smallConfig,
  weightValues,
} from "#test/reference/random-decoder.ts"
import { runGraph } from "#test/shared/formats/onnx/run-graph.ts"

const TOKENS = 64
const RESPONSE_START = 4
const SIZES = { hidden_size: 128, intermediate_size: 256, head_dim: 32, vocab_size: 1500 }

const DEMO = "infra/demo/model"
const demo = {
  config: parseDecoderConfig(readFileSync(`${DEMO}/config.json`, "utf8")),
  tensors: readSafetensors(readFileSync(`${DEMO}/model.safetensors`)).tensors,
}

async function errors(config: DecoderConfig, tensors: ReadonlyMap<string, Tensor>): Promise<string[]> {
  const tokenIds = randomTokenIds(config, TOKENS, 5)
  const exact = decoderTokenLogProbs(config, weightValues(tensors), tokenIds, RESPONSE_START)
  const cells: string[] = []
  for (const weights of GRAPH_WEIGHTS) {
    const found = await runGraph(exportOnnxGraph({ config, tensors }, weights), tokenIds, RESPONSE_START)
    const differences = [...exact].map((value, index) => Math.abs(value - found[index]!))
    const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length
    cells.push(`${mean.toExponential(1)}, ${Math.max(...differences).toExponential(1)}`)
  }
  return cells
}

const row = (cells: readonly string[]) => console.log(`| ${cells.join(" | ")} |`)
row(["mean, largest", ...GRAPH_WEIGHTS])
row(Array.from({ length: GRAPH_WEIGHTS.length + 1 }, () => "---"))
for (const family of FAMILY_NAMES) {
  const config = smallConfig(family, SIZES)
  row([family, ...(await errors(config, randomDecoder(config, 7)))])
}
row(["the demo's model", ...(await errors(demo.config, demo.tensors))])
