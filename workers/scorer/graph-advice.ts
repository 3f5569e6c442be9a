// What is said of a model without a graph, by which the edge would compute: whether one would fit, and how to write it only where one would
// be taken for the reference that is asked for.
import type { Reference } from "#shared/domain/Dataset.ts"
import { EDGE_GRAPH } from "#shared/domain/Model.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { edgeFit } from "#shared/formats/onnx/edge-fit.ts"
import { GRAPH_WEIGHTS, type GraphWeights } from "#shared/formats/onnx/graph-weights.ts"
import { fingerprintPrecision } from "#shared/formats/weights/reference-precision.ts"

export interface WithoutGraph {
  readonly config: DecoderConfig
  readonly precision: Reference["precision"]
  readonly longestRowTokens: number
}

/** Of the weights as stored, 16 bits are a graph too where the checkpoint has no more: the largest first. */
const kindsFor = (precision: Reference["precision"]): readonly GraphWeights[] => {
  const held = fingerprintPrecision(precision)
  return GRAPH_WEIGHTS.filter((kind) => (held === "f32" ? kind !== "int8" : kind === held))
}

/** The checkpoint's own kind is not known here: in 16 bits it decides whether a graph is of the weights as stored, or rounded. */
const writtenBy = (kind: GraphWeights, precision: Reference["precision"]): string => {
  const written = "yohaku export --format onnx --weights"
  if (kind === "f32" || kind === "int8") return `${written} ${kind} writes it`
  return fingerprintPrecision(precision) === "f32"
    ? `${written} bf16 or f16 writes it, where all matrices of the checkpoint are of that kind`
    : `${written} ${kind} writes it, where the checkpoint is of another kind; else leave reference.precision out`
}

/** Why the edge does not compute the reference. */
export const whyWithoutGraph = ({ config, precision, longestRowTokens }: WithoutGraph): string => {
  const fitOf = (weights: GraphWeights) => edgeFit({ config, weights, longestRowTokens })
  const kinds = kindsFor(precision)
  const smallest = kinds.at(-1)
  if (smallest === undefined) return `the edge computes no reference in ${precision}, whatever graph a model has`
  const fitting = kinds.find((kind) => fitOf(kind).fits)
  if (fitting !== undefined)
    return `the model has no ${EDGE_GRAPH}, by which the edge computes; with one, ${fitOf(fitting).why}: ${writtenBy(fitting, precision)}; register a version that has it`
  const rounded =
    fingerprintPrecision(precision) === "f32" && fitOf("int8").fits
      ? '; weights in int8 would fit, for reference.precision "int8"'
      : ""
  return `no graph of it would fit the edge: ${fitOf(smallest).why}${rounded}`
}
