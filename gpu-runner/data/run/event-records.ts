// TensorBoard's event format, as much of it as scalars need: TFRecord frames around protobuf `Event` messages. Pure bytes.
// Sources: tensorflow/core/lib/io/record_writer.cc (frame), tsl/lib/hash/crc32c.h (mask), core/util/event.proto, core/framework/summary.proto.
import { ProtobufMessage } from "#shared/formats/protobuf.ts"

const CASTAGNOLI_REVERSED = 0x82f63b78
const MASK_DELTA = 0xa282ead8
const HEADER_BYTES = 12
const FOOTER_BYTES = 4
/** Field 2 as a varint. */
const STEP_KEY = 2 << 3

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
  return new ProtobufMessage().double(1, wallTimeSeconds).text(3, "brain.Event:2").toBytes()
}

/** Scalars of one step. */
export function scalarEvent(
  wallTimeSeconds: number,
  step: number,
  scalars: Readonly<Record<string, number>>,
): Uint8Array {
  const summary = new ProtobufMessage()
  for (const [tag, value] of Object.entries(scalars)) {
    summary.message(1, new ProtobufMessage().text(1, tag).float(2, value))
  }
  return new ProtobufMessage().double(1, wallTimeSeconds).int(2, step).message(5, summary).toBytes()
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
  if (event[9] !== STEP_KEY) return 0
  let step = 0
  for (let at = 10, factor = 1; at < event.length; at++, factor *= 128) {
    step += (event[at]! & 0x7f) * factor
    if (event[at]! < 0x80) break
  }
  return step
}
