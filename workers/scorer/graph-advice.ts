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
  if (fingerprintPrecision(precision) === "f32")
    return kind === "f32" ? PUSHED : `${PUSHED}, where all matrices of the checkpoint are bf16, or all f16`
  const written = `yohaku export --model DIR --format onnx --out OUT --weights ${kind} writes it`
  const exported = `${written}; put it into the model's folder, and push that (yohaku model push --model DIR)`
  return kind === "int8"
    ? exported
    : `${exported}, where the checkpoint is of another kind; else leave reference.precision out`
}

/** A push writes such a graph by itself, of a folder alone: of a model of a hub it has no weights. */
const PUSHED =
  "yohaku model push --model DIR writes and registers it, of a model of a hub after yohaku model pull, and not with --from-hub"

/** A dataset's references are of its model's version. */
const THEN = "then make a dataset of that version"

/** Why the edge does not compute the reference. */
export const whyWithoutGraph = ({ config, precision, longestRowTokens }: WithoutGraph): string => {
  const fitOf = (weights: GraphWeights) => edgeFit({ config, weights, longestRowTokens })
  const kinds = kindsFor(precision)
  const smallest = kinds.at(-1)
  if (smallest === undefined) return `the edge computes no reference in ${precision}, whatever graph a model has`
  const fitting = kinds.find((kind) => fitOf(kind).fits)
  if (fitting !== undefined)
    return `the model has no ${EDGE_GRAPH}, by which the edge computes; with one, ${fitOf(fitting).why}: ${writtenBy(fitting, precision)}; ${THEN}`
  const rounded =
    fingerprintPrecision(precision) === "f32" && fitOf("int8").fits
      ? '; weights in int8 would fit, for reference.precision "int8"'
      : ""
  return `no graph of it would fit the edge: ${fitOf(smallest).why}${rounded}`
}
