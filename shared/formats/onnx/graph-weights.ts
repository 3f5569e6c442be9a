// A model's weights in the graph: matrices as they are held (f32, 16 bits, int8), and how f32 values come out of them while it runs. A held
// matrix is widened where it is used and forgotten after: only one is alive in f32 at a time.
import { type DecoderConfig, decoderTensorShapes } from "../families/decoder-config.ts"
import { heldKind, isExact } from "../weights/base-weights.ts"
import { BLOCK_COLUMNS, type CodedMatrix, storeMatrix, type WeightKind } from "../weights/quantisation.ts"
import { asFloat32, type Tensor } from "../weights/tensor.ts"
import { type GraphBuilder, ONNX_DTYPE } from "./graph-builder.ts"

/** How matrices are held, by the same rules as a frozen base on a runner (heldKind): under int8 the tables keep 16 bits; vectors are f32. */
export const GRAPH_WEIGHTS = ["f32", "bf16", "f16", "int8"] as const
export type GraphWeights = (typeof GRAPH_WEIGHTS)[number]

export interface ModelTensors {
  readonly config: DecoderConfig
  readonly tensors: ReadonlyMap<string, Tensor>
}

/** The kinds that keep every value of a checkpoint, fastest first: f32, and 16 bits where all its matrices have the same. */
export function exactGraphWeights(
  tensors: ReadonlyMap<string, Pick<Tensor, "name" | "dtype" | "shape">>,
): GraphWeights[] {
  return GRAPH_WEIGHTS.filter((kind) => isExact(tensors.values(), kind))
}

interface Held {
  readonly kind: WeightKind
  readonly shape: readonly [number, number]
  /** name of its scales in the graph, of int8 */
  readonly scales: string | undefined
}

/** Writes each weight into the graph at its first use. Errors: UnstorableWeight. */
export class WeightsInGraph {
  readonly #held = new Map<string, Held>()
  readonly #shapes: ReadonlyMap<string, readonly number[]>
  readonly #graph: GraphBuilder
  readonly #model: ModelTensors
  readonly #weights: GraphWeights

  constructor(graph: GraphBuilder, model: ModelTensors, weights: GraphWeights) {
    this.#graph = graph
    this.#model = model
    this.#weights = weights
    this.#shapes = decoderTensorShapes(model.config)
  }

  /** A bias, f32. */
  vector(name: string): string {
    return this.#vector(name, asFloat32(this.#model.tensors.get(name)!))
  }

  /** What a norm multiplies by, f32: its weight, plus 1 in Gemma. */
  norm(name: string): string {
    const { normOffset } = this.#model.config
    const values = asFloat32(this.#model.tensors.get(name)!)
    return this.#vector(name, normOffset === 0 ? values : values.map((weight) => normOffset + weight))
  }

  /** [T, in] · Wᵀ + bias with W [out, in]. */
  linear(rows: string, module: string): string {
    const name = `${module}.weight`
    const bias = this.#shapes.has(`${module}.bias`) ? [this.vector(`${module}.bias`)] : []
    return this.#graph.node("Gemm", [rows, this.#wholeAfter(name, rows), ...bias], { transB: 1 })
  }

  /** The rows of a table at `ids`, f32. */
  rowsAt(name: string, ids: string): string {
    const { kind } = this.#matrix(name)
    return this.#widened(this.#graph, kind, this.#graph.node("Gather", [name, ids]))
  }

  /** Rows `first` to `past` of a table, f32, inside the body of a loop; fewer where the table ends before. */
  rowRange(body: GraphBuilder, name: string, first: string, past: string): string {
    const { kind } = this.#matrix(name)
    return this.#widened(body, kind, body.node("Slice", [name, first, past, this.#graph.integers(0)]))
  }

  #vector(name: string, values: Float32Array): string {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    return this.#graph.stored(name, ONNX_DTYPE.FLOAT, data, [values.length])
  }

  /**
   * A whole matrix in f32, widened when `rows` is there and not before: widening by itself needs nothing of the run, so that the runtime
   * would do it for all layers beforehand, or once for all when it opens the model, and hold every matrix twice.
   */
  #wholeAfter(name: string, rows: string): string {
    const { kind, scales } = this.#matrix(name)
    if (kind === "f32") return name
    const size = this.#graph.node("Shape", [rows])
    const asItIs = this.#graph.node("Sub", [size, size])
    const late = this.#graph.node("Reshape", [name, asItIs])
    if (scales === undefined) return this.#widened(this.#graph, kind, late)
    return this.#graph.node("DequantizeLinear", [late, scales], { axis: 1, block_size: BLOCK_COLUMNS })
  }

  #widened(graph: GraphBuilder, kind: WeightKind, values: string): string {
    return kind === "f32" ? values : graph.node("Cast", [values], { to: ONNX_DTYPE.FLOAT })
  }

  #matrix(name: string): Held {
    const known = this.#held.get(name)
    if (known) return known
    const tensor = this.#model.tensors.get(name)!
    const shape = tensor.shape as readonly [number, number]
    const matrix = storeMatrix(tensor, heldKind(tensor, this.#weights))
    const graph = this.#graph
    let scales: string | undefined
    if (matrix.kind === "f32") graph.stored(name, ONNX_DTYPE.FLOAT, bytesOf(matrix.values), shape)
    else graph.stored(name, DTYPES[matrix.kind]!, codeBytes(matrix), shape)
    if (matrix.kind !== "f32" && matrix.scales !== undefined) {
      const { scales: values, rows } = matrix
      scales = graph.stored(`${name}.scales`, ONNX_DTYPE.FLOAT, bytesOf(values), [rows, values.length / rows])
    }
    const held = { kind: matrix.kind, shape, scales }
    this.#held.set(name, held)
    return held
  }
}

const DTYPES = { bf16: ONNX_DTYPE.BFLOAT16, f16: ONNX_DTYPE.FLOAT16, int8: ONNX_DTYPE.INT8, nf4: undefined } as const

function bytesOf(values: Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

/** The codes without the bytes that fill each row's last word. */
function codeBytes({ kind, rows, columns, words }: CodedMatrix): Uint8Array {
  const padded = bytesOf(words)
  const rowBytes = kind === "int8" ? columns : 2 * columns
  const paddedRowBytes = padded.length / rows
  if (paddedRowBytes === rowBytes) return padded
  const dense = new Uint8Array(rows * rowBytes)
  for (let row = 0; row < rows; row++)
    dense.set(padded.subarray(row * paddedRowBytes, row * paddedRowBytes + rowBytes), row * rowBytes)
  return dense
}
