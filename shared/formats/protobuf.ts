// Protobuf messages, written by hand: the generated library evaluates code at run time, which workerd forbids. Fields are written in
// the order of the calls. A message is a list of byte chunks, so that weights are copied once, into the final file.
// Source: protobuf.dev/programming-guides/encoding.

const WIRE_VARINT = 0
const WIRE_FIXED64 = 1
const WIRE_LENGTH_DELIMITED = 2
const WIRE_FIXED32 = 5

/** A protobuf message under construction. */
export class ProtobufMessage {
  private readonly chunks: Uint8Array[] = []
  size = 0

  int(field: number, value: number): this {
    return this.append(varint(field * 8 + WIRE_VARINT)).append(varint(value))
  }

  /** 32 bits. */
  float(field: number, value: number): this {
    return this.append(varint(field * 8 + WIRE_FIXED32)).append(new Uint8Array(Float32Array.of(value).buffer))
  }

  /** 64 bits. */
  double(field: number, value: number): this {
    return this.append(varint(field * 8 + WIRE_FIXED64)).append(new Uint8Array(Float64Array.of(value).buffer))
  }

  bytes(field: number, value: Uint8Array): this {
    return this.append(varint(field * 8 + WIRE_LENGTH_DELIMITED))
      .append(varint(value.byteLength))
      .append(value)
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value))
  }

  message(field: number, value: ProtobufMessage): this {
    this.append(varint(field * 8 + WIRE_LENGTH_DELIMITED)).append(varint(value.size))
    for (const chunk of value.chunks) this.append(chunk)
    return this
  }

  /** Bytes as they are, without a field of their own. They are copied by toBytes and may change until then. */
  raw(value: Uint8Array): this {
    return this.append(value)
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.size)
    let position = 0
    for (const chunk of this.chunks) {
      bytes.set(chunk, position)
      position += chunk.byteLength
    }
    return bytes
  }

  private append(chunk: Uint8Array): this {
    this.chunks.push(chunk)
    this.size += chunk.byteLength
    return this
  }
}

/** Base-128, least significant group first; negative int64 in two's complement (ten bytes). */
function varint(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value))
  const groups: number[] = []
  do {
    const group = Number(rest & 0x7fn)
    rest >>= 7n
    groups.push(rest === 0n ? group : group | 0x80)
  } while (rest !== 0n)
  return Uint8Array.from(groups)
}
