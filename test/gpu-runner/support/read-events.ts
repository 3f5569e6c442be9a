// Reads a TensorBoard event file back: a reader of its own that shares nothing with the writer but the checksum, which is tested by
// known vectors.
import { readdirSync, readFileSync } from "node:fs"
import { expect } from "vitest"
import { maskedCrc32c } from "#gpu-runner/data/run/event-records.ts"

export interface ReadEvent {
  readonly wallTime: number
  readonly step: number
  readonly version: string | undefined
  readonly scalars: Readonly<Record<string, number>>
}

type Field = readonly [number: number, value: Uint8Array | bigint]

/** The fields of any protobuf message. */
function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++]!)
      value |= (byte & 127n) << shift
      if (byte < 128n) return value
    }
  }
  const take = (length: number) => {
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const key = Number(varint())
    const wireType = key & 7
    if (wireType === 0) fields.push([key >> 3, varint()])
    else if (wireType === 1) fields.push([key >> 3, take(8)])
    else if (wireType === 5) fields.push([key >> 3, take(4)])
    else fields.push([key >> 3, take(Number(varint()))])
  }
  return fields
}

/** One event of a frame's data. */
export function eventOf(data: Buffer): ReadEvent {
  const fields = new Map(fieldsOf(data))
  const summary = fields.get(5) as Buffer | undefined
  const scalars = (summary ? fieldsOf(summary) : []).map(([, value]) => {
    const scalar = new Map(fieldsOf(value as Buffer))
    return [(scalar.get(1) as Buffer).toString("utf8"), (scalar.get(2) as Buffer).readFloatLE()] as const
  })
  return {
    wallTime: (fields.get(1) as Buffer).readDoubleLE(),
    step: Number(fields.get(2) ?? 0n),
    version: (fields.get(3) as Buffer | undefined)?.toString("utf8"),
    scalars: Object.fromEntries(scalars),
  }
}

/** The one event file of a folder; throws where a length or a checksum is wrong. */
export function readEvents(folder: string): ReadEvent[] {
  const [name, ...others] = readdirSync(folder)
  expect(others).toEqual([])
  expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./)
  const bytes = readFileSync(`${folder}/${name}`)
  const events: ReadEvent[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at))
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)))
    const data = bytes.subarray(at + 12, at + 12 + length)
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data))
    events.push(eventOf(data))
    at += 16 + length
  }
  return events
}
