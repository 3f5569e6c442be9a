// What attention, MLP and head of the graph are made of: norms, scales and soft caps of a DecoderConfig, and what they are built with.
import type { DecoderConfig } from "../families/decoder-config.ts"
import type { GraphBuilder } from "./graph-builder.ts"
import type { WeightsInGraph } from "./graph-weights.ts"

/** What the parts of the graph are built with. */
export interface DecoderGraph {
  readonly graph: GraphBuilder
  readonly config: DecoderConfig
  readonly weights: WeightsInGraph
}

/** Cosines and sines of every token's position, [T, 1, D/2] each. */
export interface Rotation {
  readonly cosine: string
  readonly sine: string
}

/** Multiplies by a number of the model's. */
export function scaledBy(graph: GraphBuilder, values: string, factor: number): string {
  return graph.node("Mul", [values, graph.constant(`number_${factor}`, Float32Array.of(factor), [])])
}

/** cap · tanh(x / cap), or x where there is no cap. */
export function softCapped(outer: GraphBuilder, graph: GraphBuilder, values: string, cap: number | undefined): string {
  if (cap === undefined) return values
  const number = (value: number) => outer.constant(`number_${value}`, Float32Array.of(value), [])
  const bent = graph.node("Tanh", [graph.node("Mul", [values, number(1 / cap)])])
  return graph.node("Mul", [bent, number(cap)])
}

/** x / √(mean(x²) + ε) · weight over the last axis. */
export function rmsNorm({ graph, config, weights }: DecoderGraph, name: string, rows: string): string {
  const meanSquare = graph.node("ReduceMean", [graph.node("Mul", [rows, rows]), graph.integers(-1)], { keepdims: 1 })
  const epsilon = graph.constant("rms_norm_epsilon", Float32Array.of(config.rmsNormEpsilon), [])
  const root = graph.node("Sqrt", [graph.node("Add", [meanSquare, epsilon])])
  return graph.node("Mul", [graph.node("Div", [rows, root]), weights.norm(name)])
}
