// How weights lie in model.onnx: behind the graph, in a field that ONNX's readers skip, while the graph refers to them as external data
// of its own file. So it is one valid ONNX file, and who opens it may give the runtime the graph alone and the weights without a copy.
import { ProtobufMessage } from "../protobuf.ts"

/** The file's name: the graph calls itself by it. */
export const GRAPH_FILE = "model.onnx"

/** Of the model's message: unknown to ONNX. It is the last field. */
const WEIGHTS_FIELD = 7000

/** Enough for protobuf's 2 GiB. A fixed width, so that places may be written when they are known. */
const OFFSET_DIGITS = 10

const EXTERNAL = 1

/** Weights on their way behind the graph. */
export class WeightTail {
  private readonly weights = new ProtobufMessage()
  private readonly places: { readonly digits: Uint8Array; readonly offset: number }[] = []

  /** Makes a tensor refer to bytes that are put at the tail's end. */
  place(tensor: ProtobufMessage, data: Uint8Array): void {
    const digits = new Uint8Array(OFFSET_DIGITS)
    this.places.push({ digits, offset: this.weights.size })
    this.weights.raw(data)
    const entry = (key: string) => new ProtobufMessage().text(1, key)
    tensor
      .message(13, entry("location").text(2, GRAPH_FILE))
      .message(13, entry("offset").bytes(2, digits))
      .message(13, entry("length").text(2, String(data.byteLength)))
      .int(14, EXTERNAL)
  }

  /** Ends a model's message with the weights, and writes into it where they are. */
  appendTo(model: ProtobufMessage): void {
    model.message(WEIGHTS_FIELD, this.weights)
    const start = model.size - this.weights.size
    for (const { digits, offset } of this.places)
      new TextEncoder().encodeInto(String(start + offset).padStart(OFFSET_DIGITS, "0"), digits)
  }
}

/** A file as onnxruntime-web takes it, without a copy: the graph, and the weights behind it as the external data that it names. */
export function runtimeInput(file: Uint8Array): {
  readonly graph: Uint8Array
  readonly externalData: { readonly path: string; readonly data: Uint8Array }[]
} {
  return { graph: graphAlone(file), externalData: [{ path: GRAPH_FILE, data: file }] }
}

/** The model's message without the weights behind it: a view. A file without them, or one that is none of ONNX, is given back as it is. */
export function graphAlone(file: Uint8Array): Uint8Array {
  let position = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; position < file.length; scale *= 128) {
      const byte = file[position++]!
      value += (byte & 127) * scale
      if (byte < 128) break
    }
    return value
  }
  while (position < file.length) {
    const start = position
    const key = varint()
    if (key === WEIGHTS_FIELD * 8 + 2) return file.subarray(0, start)
    const wire = key % 8
    if (wire !== 0 && wire !== 2) return file
    const value = varint()
    if (wire === 2) position += value
  }
  return file
}
