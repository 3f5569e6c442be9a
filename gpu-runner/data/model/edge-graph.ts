// The graph by which the edge computes a model's reference, written beside what is registered of a model folder that has none.
import { readFileSync } from "node:fs"
import path from "node:path"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { edgeFit } from "#shared/formats/onnx/edge-fit.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import { GRAPH_FILE } from "#shared/formats/onnx/graph-file.ts"
import { exactGraphWeights, GRAPH_WEIGHTS } from "#shared/formats/onnx/graph-weights.ts"
import { writeFileAtomically } from "../files.ts"
import type { ModelFile } from "./model-files.ts"
import { checkTiedHead, readModelWeights } from "./model-weights.ts"

/** A graph is written where rows of this length fit; the dataset that is made on the model decides for its own. */
const ROW_TOKENS = 256

/**
 * Writes model.onnx into `folder`, with every value of the checkpoint: in f32 where that fits the edge, else in the checkpoint's own 16
 * bits. Undefined where neither fits: runners compute such a reference. Errors: those of reading the weights, UnstorableWeight.
 */
export async function writeEdgeGraph(directory: string, folder: string): Promise<ModelFile | undefined> {
  const config = parseDecoderConfig(readFileSync(path.join(directory, "config.json"), "utf8"))
  const fits = (weights: (typeof GRAPH_WEIGHTS)[number]) =>
    edgeFit({ config, weights, longestRowTokens: Math.min(ROW_TOKENS, config.maxPositions) }).fits
  // Weights of any size are read only where it may help.
  if (!GRAPH_WEIGHTS.some((weights) => weights !== "int8" && fits(weights))) return undefined
  const { tensors } = await readModelWeights(directory, "fetch the model folder again")
  checkTiedHead(config, tensors)
  const weights = exactGraphWeights(tensors).find(fits)
  if (weights === undefined) return undefined
  const bytes = exportOnnxGraph({ config, tensors }, weights)
  const file = path.join(folder, GRAPH_FILE)
  writeFileAtomically(file, bytes)
  return { name: GRAPH_FILE, path: file, bytes: bytes.length }
}
