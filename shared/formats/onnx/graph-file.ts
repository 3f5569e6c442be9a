// How weights lie in model.onnx: behind the graph, in a field that ONNX's readers skip, while the graph refers to them as external data
// of its own file. So it is one valid ONNX file, and who opens it may give the runtime the graph alone and the weights without a copy.
import { ProtobufMessage } from "../protobuf.ts"
import { WEIGHT_KINDS, type WeightKind } from "../weights/quantisation.ts"

/** The file's name: the graph calls itself by it. */
export const GRAPH_FILE = "model.onnx"

/** Of the model's message: its metadata. */
const NOTES_FIELD = 14

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
  for (const { field, start } of fieldsOf(file)) if (field === WEIGHTS_FIELD) return file.subarray(0, start)
  return file
}

/** Bytes at the beginning of a file that hold its notes. */
export const NOTES_BYTES = 256

/** What a file says of itself, at its beginning. */
export interface GraphNotes {
  /** How its matrices are held. */
  readonly weights: WeightKind
  /** Which values the weights have: "f32" for the checkpoint's own, else the kind they were rounded to. */
  readonly precision: WeightKind
}

/** The notes at the beginning of a file; f32 where it has none, as the first graphs. */
export function notesOf(start: Uint8Array): GraphNotes {
  const notes = new Map<string, string>()
  for (const { field, content } of fieldsOf(start)) {
    if (field !== NOTES_FIELD) continue
    const [key = "", value = ""] = [...fieldsOf(content)].map((part) => new TextDecoder().decode(part.content))
    notes.set(key, value)
  }
  const kind = (key: keyof GraphNotes) => WEIGHT_KINDS.find((known) => known === notes.get(key)) ?? "f32"
  return { weights: kind("weights"), precision: kind("precision") }
}

interface Field {
  readonly field: number
  /** where it begins */
  readonly start: number
  /** of texts, bytes and messages */
  readonly content: Uint8Array
}

/** The fields of a message one after the other, until its end or until it is none that ONNX writes. */
function* fieldsOf(message: Uint8Array): Generator<Field> {
  let position = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; position < message.length; scale *= 128) {
      const byte = message[position++]!
      value += (byte & 127) * scale
      if (byte < 128) break
    }
    return value
  }
  while (position < message.length) {
    const start = position
    const key = varint()
    const wire = key % 8
    if (wire !== 0 && wire !== 2) return
    const value = varint()
    const end = position + (wire === 2 ? value : 0)
    yield { field: Math.floor(key / 8), start, content: message.subarray(position, end) }
    position = end
  }
}
