// TensorBoard's event format, as much of it as scalars need: TFRecord frames around protobuf `Event` messages. Pure bytes.
// Sources: tensorflow/core/lib/io/record_writer.cc (frame), tsl/lib/hash/crc32c.h (mask), core/util/event.proto, core/framework/summary.proto.

const CASTAGNOLI_REVERSED = 0x82f63b78
const MASK_DELTA = 0xa282ead8
const HEADER_BYTES = 12
const FOOTER_BYTES = 4

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CASTAGNOLI_REVERSED : crc >>> 1
  return crc >>> 0
})

/** CRC-32C (Castagnoli; RFC 3720, appendix B.4). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

/** The checksum as TFRecord stores it: rotated right by 15 bits, plus a constant. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
}

/** A TFRecord: u64 length, its masked checksum, the data, its masked checksum; little-endian. */
export function frameRecord(data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + data.length + FOOTER_BYTES)
  const view = new DataView(frame.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc32c(frame.subarray(0, 8)), true)
  frame.set(data, HEADER_BYTES)
  view.setUint32(HEADER_BYTES + data.length, maskedCrc32c(data), true)
  return frame
}

/** The first event of every file. */
export function versionEvent(wallTimeSeconds: number): Uint8Array {
  return message(double(1, wallTimeSeconds), bytesField(3, new TextEncoder().encode("brain.Event:2")))
}

/** Scalars of one step. */
export function scalarEvent(
  wallTimeSeconds: number,
  step: number,
  scalars: Readonly<Record<string, number>>,
): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytesField(1, message(bytesField(1, new TextEncoder().encode(tag)), float(2, value))),
  )
  return message(double(1, wallTimeSeconds), varintField(2, step), bytesField(5, message(...values)))
}

/** How many bytes of a file hold whole records up to a step: what comes after is cut off when a run goes on from there. */
export function bytesUpToStep(file: Uint8Array, lastStep: number): number {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  let end = 0
  while (end + HEADER_BYTES + FOOTER_BYTES <= file.length) {
    const length = Number(view.getBigUint64(end, true))
    const next = end + HEADER_BYTES + length + FOOTER_BYTES
    if (next > file.length || stepOf(file.subarray(end + HEADER_BYTES, next - FOOTER_BYTES)) > lastStep) break
    end = next
  }
  return end
}

/** The `step` field of an event that this file's functions wrote; 0 where it has none. */
function stepOf(event: Uint8Array): number {
  // The wall time comes first and takes nine bytes; the step's key follows.
  if (event[9] !== fieldKey(2, VARINT)) return 0
  let step = 0
  for (let at = 10, factor = 1; at < event.length; at++, factor *= 128) {
    step += (event[at]! & 0x7f) * factor
    if (event[at]! < 0x80) break
  }
  return step
}

const VARINT = 0
const FIXED_64 = 1
const LENGTH_DELIMITED = 2
const FIXED_32 = 5

function fieldKey(field: number, wireType: number): number {
  return (field << 3) | wireType
}

function message(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  return Uint8Array.of(...bytes, rest)
}

function varintField(field: number, value: number): Uint8Array {
  return message(Uint8Array.of(fieldKey(field, VARINT)), varint(value))
}

function bytesField(field: number, value: Uint8Array): Uint8Array {
  return message(Uint8Array.of(fieldKey(field, LENGTH_DELIMITED)), varint(value.length), value)
}

function double(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(9)
  bytes[0] = fieldKey(field, FIXED_64)
  new DataView(bytes.buffer).setFloat64(1, value, true)
  return bytes
}

function float(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(5)
  bytes[0] = fieldKey(field, FIXED_32)
  new DataView(bytes.buffer).setFloat32(1, value, true)
  return bytes
}
