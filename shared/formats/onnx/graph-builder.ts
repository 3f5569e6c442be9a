// The part of ONNX's protobuf schema that our exporter needs: models, graphs, nodes, tensors. Source: onnx/onnx.proto (IR version 10).
import { ProtobufMessage } from "../protobuf.ts"
import type { WeightTail } from "./graph-file.ts"

/** ONNX TensorProto.DataType numbers. */
export const ONNX_DTYPE = { FLOAT: 1, INT8: 3, INT64: 7, FLOAT16: 10, DOUBLE: 11, BFLOAT16: 16 } as const
export type OnnxDtype = (typeof ONNX_DTYPE)[keyof typeof ONNX_DTYPE]

const ATTRIBUTE_TYPE = { FLOAT: 1, INT: 2, STRING: 3, GRAPH: 5, INTS: 7 } as const

/** A fixed size, or a name for a size known at run time. */
export type Dimension = number | string

/** An attribute of a node: whole numbers are INT, `{ float }` is FLOAT, texts are STRING, lists are INTS, graphs are GRAPH. */
export type Attribute = number | string | { readonly float: number } | readonly number[] | GraphBuilder

/** Collects nodes and constants; every method that makes a value returns the value's name. */
export class GraphBuilder {
  private readonly graph = new ProtobufMessage()
  private readonly constants = new Set<string>()
  private nodeCount = 0
  readonly name: string
  private readonly tail: WeightTail | undefined

  /**
   * Inner graphs (the body of Scan) need another name: value names must be unique across both. With a tail, weights (`stored`) stand
   * there, outside the graph's own message.
   */
  constructor(name: string, tail?: WeightTail) {
    this.name = name
    this.tail = tail
    this.graph.text(2, name)
  }

  input(name: string, dtype: OnnxDtype, shape: readonly Dimension[]): string {
    this.graph.message(11, valueInfo(name, dtype, shape))
    return name
  }

  output(name: string, dtype: OnnxDtype, shape: readonly Dimension[]): void {
    this.graph.message(12, valueInfo(name, dtype, shape))
  }

  /** A node with one output. */
  node(
    operator: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    output?: string,
  ): string {
    return this.nodeWithOutputs(operator, inputs, attributes, [output ?? this.freshName(operator)])[0]!
  }

  /** A node with `count` outputs. */
  nodes(operator: string, inputs: readonly string[], attributes: Record<string, Attribute>, count: number): string[] {
    const outputs = Array.from({ length: count }, () => this.freshName(operator))
    return this.nodeWithOutputs(operator, inputs, attributes, outputs)
  }

  hasConstant(name: string): boolean {
    return this.constants.has(name)
  }

  /** A small table, row-major. Naming the same constant twice writes it once. */
  constant(name: string, values: Float32Array | Float64Array | BigInt64Array, shape: readonly number[]): string {
    if (this.constants.has(name)) return name
    const dtype =
      values instanceof Float32Array
        ? ONNX_DTYPE.FLOAT
        : values instanceof Float64Array
          ? ONNX_DTYPE.DOUBLE
          : ONNX_DTYPE.INT64
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    return this.initialiser(name, dtype, shape, (tensor) => tensor.bytes(9, data))
  }

  /** A weight by its bytes, row-major. */
  stored(name: string, dtype: OnnxDtype, data: Uint8Array, shape: readonly number[]): string {
    const { tail } = this
    if (this.constants.has(name)) return name
    return this.initialiser(name, dtype, shape, (tensor) =>
      tail === undefined ? tensor.bytes(9, data) : tail.place(tensor, data),
    )
  }

  /** A one-dimensional int64 constant, as shapes, axes and bounds are passed. */
  integers(...values: number[]): string {
    return this.constant(`${this.name}/ints_${values.join("_")}`, BigInt64Array.from(values, BigInt), [values.length])
  }

  toMessage(): ProtobufMessage {
    return this.graph
  }

  private initialiser(
    name: string,
    dtype: OnnxDtype,
    shape: readonly number[],
    addValues: (tensor: ProtobufMessage) => void,
  ): string {
    this.constants.add(name)
    const tensor = new ProtobufMessage()
    for (const size of shape) tensor.int(1, size)
    tensor.int(2, dtype).text(8, name)
    addValues(tensor)
    this.graph.message(5, tensor)
    return name
  }

  private freshName(operator: string): string {
    return `${this.name}/${operator}_${this.nodeCount}`
  }

  private nodeWithOutputs(
    operator: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute>,
    outputs: string[],
  ): string[] {
    const node = new ProtobufMessage()
    for (const input of inputs) node.text(1, input)
    const unique = outputs.length === 1 ? outputs : outputs.map((output, index) => `${output}_${index}`)
    for (const output of unique) node.text(2, output)
    node.text(3, this.freshName(operator)).text(4, operator)
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value))
    this.graph.message(1, node)
    this.nodeCount++
    return unique
  }
}

function attribute(name: string, value: Attribute): ProtobufMessage {
  const message = new ProtobufMessage().text(1, name)
  if (typeof value === "number") return message.int(3, value).int(20, ATTRIBUTE_TYPE.INT)
  if (typeof value === "string") return message.text(4, value).int(20, ATTRIBUTE_TYPE.STRING)
  if (value instanceof GraphBuilder) return message.message(6, value.toMessage()).int(20, ATTRIBUTE_TYPE.GRAPH)
  if ("float" in value) return message.float(2, value.float).int(20, ATTRIBUTE_TYPE.FLOAT)
  for (const item of value) message.int(8, item)
  return message.int(20, ATTRIBUTE_TYPE.INTS)
}

function valueInfo(name: string, dtype: OnnxDtype, shape: readonly Dimension[]): ProtobufMessage {
  const dimensions = new ProtobufMessage()
  for (const size of shape) {
    const dimension =
      typeof size === "number" ? new ProtobufMessage().int(1, size) : new ProtobufMessage().text(2, size)
    dimensions.message(1, dimension)
  }
  const tensorType = new ProtobufMessage().int(1, dtype).message(2, dimensions)
  return new ProtobufMessage().text(1, name).message(2, new ProtobufMessage().message(1, tensorType))
}

/** Size of an ONNX file in bytes beyond which protobuf readers refuse it. */
export const MAX_PROTOBUF_BYTES = 2 ** 31 - 1

/** A whole model: IR version 10, the default operator set of the given version, and notes for who reads the file. */
export function onnxModel(
  graph: GraphBuilder,
  operatorSetVersion: number,
  notes: Readonly<Record<string, string>> = {},
): ProtobufMessage {
  const model = new ProtobufMessage().int(1, 10).text(2, "yohaku")
  for (const [key, value] of Object.entries(notes)) model.message(14, new ProtobufMessage().text(1, key).text(2, value))
  return model.message(7, graph.toMessage()).message(8, new ProtobufMessage().text(1, "").int(2, operatorSetVersion))
}
