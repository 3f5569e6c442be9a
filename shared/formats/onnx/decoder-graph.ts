// The ONNX graph of a decoder with a log-prob head, from primitives of operator set 21: one for all families, which only fill DecoderConfig.
// One sequence, no batch axis: activations are [T, C]. Linear weights stay [out, in] as in safetensors (Gemm, transB).
// Shape letters: T tokens, C channels, H heads, D head size, N response tokens, V vocabulary.
import { layerPath } from "../families/decoder-config.ts"
import { ropeFrequencies } from "../families/rope-frequencies.ts"
import { attendedRows, queryBlocks } from "./attention-graph.ts"
import { ONNX_DTYPE } from "./graph-builder.ts"
import { type DecoderGraph, type Rotation, rmsNorm, scaledBy } from "./graph-parts.ts"
import { responseLogProbs } from "./head-graph.ts"

/** Version of the default operator set that the graph is written in. */
export const OPERATOR_SET_VERSION = 21

export interface GraphNames {
  readonly inputIds: string
  readonly responseStart: string
  readonly output: string
}

/** Builds the whole graph; names of inputs and output are the caller's. */
export function buildDecoderGraph(decoder: DecoderGraph, names: GraphNames): void {
  const { graph, config, weights } = decoder
  const inputIds = graph.input(names.inputIds, ONNX_DTYPE.INT64, ["T"])
  const responseStart = graph.input(names.responseStart, ONNX_DTYPE.INT64, [1])
  graph.output(names.output, ONNX_DTYPE.FLOAT, ["N"])
  const length = graph.node("Shape", [inputIds])
  const blocks = queryBlocks(graph, length)
  const rotations = rotationTables(decoder, length)
  let rows = weights.rowsAt("model.embed_tokens.weight", inputIds)
  if (config.embeddingScale !== 1) rows = scaledBy(graph, rows, config.embeddingScale)
  for (let layer = 0; layer < config.layerCount; layer++) {
    const path = layerPath(layer)
    const norm = (name: string, of: string) => rmsNorm(decoder, `${path}.${name}.weight`, of)
    const afterNorm = (name: string, of: string) => (config.postNorms ? norm(name, of) : of)
    const attended = attendedRows(decoder, {
      ...{ layer, blocks, rotation: rotations[layer]! },
      rows: norm("input_layernorm", rows),
    })
    rows = graph.node("Add", [rows, afterNorm("post_attention_layernorm", attended)])
    const mlpNorm = config.postNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm"
    const fed = feedForward(decoder, path, norm(mlpNorm, rows))
    rows = graph.node("Add", [rows, afterNorm("post_feedforward_layernorm", fed)])
  }
  responseLogProbs(decoder, { rows, inputIds, responseStart, length, output: names.output })
}

/** down(activation(gate(x)) · up(x)). */
function feedForward({ graph, config, weights }: DecoderGraph, path: string, rows: string): string {
  const gate = weights.linear(rows, `${path}.mlp.gate_proj`)
  const up = weights.linear(rows, `${path}.mlp.up_proj`)
  const activated =
    config.activation === "silu"
      ? graph.node("Mul", [gate, graph.node("Sigmoid", [gate])])
      : graph.node("Gelu", [gate], { approximate: "tanh" })
  return weights.linear(graph.node("Mul", [activated, up]), `${path}.mlp.down_proj`)
}

/**
 * One rotation a layer; layers that turn alike share theirs. Angles are taken in f64 and reduced to one turn before f32 cosine and sine, so
 * that late positions keep their digits.
 */
function rotationTables({ graph, config }: DecoderGraph, length: string): Rotation[] {
  const { headSize, layers } = config
  const scalar = (name: string, value: number) => graph.constant(name, BigInt64Array.of(BigInt(value)), [])
  const count = graph.node("Squeeze", [length])
  const positions = graph.node("Range", [scalar("zero", 0), count, scalar("one", 1)])
  const column = graph.node("Unsqueeze", [positions, graph.integers(1, 2)])
  const exact = graph.node("Cast", [column], { to: ONNX_DTYPE.DOUBLE })
  const turn = graph.constant("full_turn", Float64Array.of(2 * Math.PI), [])
  const tables = new Map<string, Rotation>()
  return layers.map(({ rope }) => {
    const key = JSON.stringify(rope)
    const frequencies = `rope_frequencies_${tables.size}`
    const table = tables.get(key) ?? rotation(frequencies, ropeFrequencies({ headSize, ...rope }))
    tables.set(key, table)
    return table
  })
  function rotation(name: string, frequencies: Float64Array): Rotation {
    const perPosition = graph.constant(name, frequencies, [1, 1, frequencies.length])
    const angles = graph.node("Mod", [graph.node("Mul", [exact, perPosition]), turn], { fmod: 1 })
    const reduced = graph.node("Cast", [angles], { to: ONNX_DTYPE.FLOAT })
    return { cosine: graph.node("Cos", [reduced]), sine: graph.node("Sin", [reduced]) }
  }
}
