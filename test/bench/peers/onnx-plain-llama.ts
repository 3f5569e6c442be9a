// The model as an ONNX graph for speed alone: all sequences in one call, all logits at once, tables and mask as constants. The graph
// that the scorer at the edge runs holds few logits at a time instead, and is measured beside it.
import { GraphBuilder, ONNX_DTYPE, onnxModel } from "#shared/formats/onnx/graph-builder.ts"
import type { StoredValues } from "./llama-model.ts"
import type { ModelTask } from "./tasks.ts"

const OPERATOR_SET = 17
const MASKED_SCORE = -1e30

/** Input `input_ids` int64 [B, T], `targets` int64 [B, T − 1, 1]; output `log_probs` f32 [B, T − 1, 1]. */
export function plainLlamaGraph(task: ModelTask, tensors: ReadonlyMap<string, StoredValues>): Uint8Array {
  const graph = new GraphBuilder("llama")
  const { sequences, length, sizes } = task
  const ids = graph.input("input_ids", ONNX_DTYPE.INT64, [sequences, length])
  const targets = graph.input("targets", ONNX_DTYPE.INT64, [sequences, length - 1, 1])
  graph.output("log_probs", ONNX_DTYPE.FLOAT, [sequences, length - 1, 1])
  const parts = { graph, task, tensors }
  let x = graph.node("Gather", [constant(parts, "model.embed_tokens.weight"), ids])
  for (let index = 0; index < sizes.num_hidden_layers; index++) {
    x = graph.node("Add", [x, attention(parts, `model.layers.${index}`, x)])
    x = graph.node("Add", [x, feedForward(parts, `model.layers.${index}`, x)])
  }
  const slice = [graph.integers(0), graph.integers(length - 1), graph.integers(1)]
  const hidden = rmsNorm(parts, "model.norm.weight", graph.node("Slice", [x, ...slice]))
  const logProbs = graph.node("LogSoftmax", [linear(parts, "lm_head.weight", hidden)], { axis: -1 })
  graph.node("GatherElements", [logProbs, targets], { axis: 2 }, "log_probs")
  return onnxModel(graph, OPERATOR_SET).toBytes()
}

interface Parts {
  readonly graph: GraphBuilder
  readonly task: ModelTask
  readonly tensors: ReadonlyMap<string, StoredValues>
}

function constant({ graph, tensors }: Parts, name: string): string {
  const { shape, values } = tensors.get(name)!
  return graph.constant(name, values, shape)
}

/** x · Wᵀ with the transpose stored, which the runtime packs when it loads the graph. */
function linear({ graph, tensors }: Parts, name: string, x: string): string {
  const { shape, values } = tensors.get(name)!
  const [outputs, inputs] = shape as [number, number]
  const transposed = new Float32Array(values.length)
  for (let row = 0; row < outputs; row++) {
    for (let column = 0; column < inputs; column++) transposed[column * outputs + row] = values[row * inputs + column]!
  }
  return graph.node("MatMul", [x, graph.constant(name, transposed, [inputs, outputs])])
}

function rmsNorm(parts: Parts, name: string, x: string): string {
  const { graph, task } = parts
  const meanSquare = graph.node("ReduceMean", [graph.node("Mul", [x, x])], { axes: [-1], keepdims: 1 })
  const epsilon = graph.constant("epsilon", Float32Array.of(task.sizes.rms_norm_eps), [])
  const root = graph.node("Sqrt", [graph.node("Add", [meanSquare, epsilon])])
  return graph.node("Mul", [graph.node("Div", [x, root]), constant(parts, name)])
}

function rotate({ graph, task }: Parts, heads: string): string {
  const { length, sizes } = task
  const half = sizes.head_dim / 2
  const table = (name: string, f: (angle: number) => number) => {
    const angle = (index: number) => Math.floor(index / half) * sizes.rope_theta ** (-(index % half) / half)
    return graph.constant(
      name,
      Float32Array.from({ length: length * half }, (_, index) => f(angle(index))),
      [length, half],
    )
  }
  const [cosine, sine] = [table("cosine", Math.cos), table("sine", Math.sin)]
  const [x, y] = graph.nodes("Split", [heads], { axis: -1 }, 2) as [string, string]
  const first = graph.node("Sub", [graph.node("Mul", [x, cosine]), graph.node("Mul", [y, sine])])
  const second = graph.node("Add", [graph.node("Mul", [y, cosine]), graph.node("Mul", [x, sine])])
  return graph.node("Concat", [first, second], { axis: -1 })
}

function attention(parts: Parts, path: string, x: string): string {
  const { graph, task } = parts
  const { sequences, length, sizes } = task
  const normed = rmsNorm(parts, `${path}.input_layernorm.weight`, x)
  const heads = (name: string) => {
    const flat = linear(parts, `${path}.self_attn.${name}.weight`, normed)
    const shape = graph.integers(sequences, length, sizes.num_attention_heads, sizes.head_dim)
    return graph.node("Transpose", [graph.node("Reshape", [flat, shape])], { perm: [0, 2, 1, 3] })
  }
  const scale = graph.constant("scale", Float32Array.of(sizes.head_dim ** -0.5), [])
  const query = graph.node("Mul", [rotate(parts, heads("q_proj")), scale])
  const key = graph.node("Transpose", [rotate(parts, heads("k_proj"))], { perm: [0, 1, 3, 2] })
  const mask = Float32Array.from({ length: length * length }, (_, index) => {
    return index % length > Math.floor(index / length) ? MASKED_SCORE : 0
  })
  const scores = graph.node("Add", [graph.node("MatMul", [query, key]), graph.constant("mask", mask, [length, length])])
  const mixed = graph.node("MatMul", [graph.node("Softmax", [scores], { axis: -1 }), heads("v_proj")])
  const inOrder = graph.node("Transpose", [mixed], { perm: [0, 2, 1, 3] })
  const flat = graph.node("Reshape", [inOrder, graph.integers(sequences, length, sizes.hidden_size)])
  return linear(parts, `${path}.self_attn.o_proj.weight`, flat)
}

function feedForward(parts: Parts, path: string, x: string): string {
  const { graph } = parts
  const normed = rmsNorm(parts, `${path}.post_attention_layernorm.weight`, x)
  const gate = linear(parts, `${path}.mlp.gate_proj.weight`, normed)
  const silu = graph.node("Mul", [gate, graph.node("Sigmoid", [gate])])
  const up = linear(parts, `${path}.mlp.up_proj.weight`, normed)
  return linear(parts, `${path}.mlp.down_proj.weight`, graph.node("Mul", [silu, up]))
}
