import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  asFloat32,
  asInt32,
  asUint32,
  InvalidSafetensors,
  readSafetensors,
  type Tensor,
  tensorOf,
  writeSafetensors,
} from "#shared/formats/weights/safetensors.ts"
import { BYTES_PER_ELEMENT, type SafetensorsDtype } from "#shared/formats/weights/tensor.ts"

/** A file from a header text and tensor bytes, with no checks. */
function fileOf(header: string | Uint8Array, data: Uint8Array = new Uint8Array(0), headerLength?: bigint): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header
  const bytes = new Uint8Array(8 + text.length + data.length)
  new DataView(bytes.buffer).setBigUint64(0, headerLength ?? BigInt(text.length), true)
  bytes.set(text, 8)
  bytes.set(data, 8 + text.length)
  return bytes
}

const info = (dtype: string, shape: unknown, start: number, end: number) =>
  JSON.stringify({ dtype, shape, data_offsets: [start, end] })

const zeros = (count: number) => new Uint8Array(count)

describe("reading safetensors", () => {
  const refused: [string, Uint8Array, string][] = [
    ["a file shorter than the header length", zeros(7), "too few"],
    ["a header length beyond the end", fileOf("{}", zeros(0), 100n), "ends at byte 108"],
    ["a header length of 2^63", fileOf("{}", zeros(0), 2n ** 63n), "over the limit"],
    ["a header that is not UTF-8", fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)), "not UTF-8"],
    ["a header behind a byte order mark", fileOf("\ufeff{}"), "not JSON"],
    ["a header that is not JSON", fileOf("{"), "not JSON"],
    ["a header that is a list", fileOf("[]"), "not a JSON object"],
    ["an empty header", fileOf(""), "not JSON"],
    ["a repeated tensor", fileOf(`{"a":${info("U8", [1], 0, 1)},"a":${info("U8", [1], 0, 1)}}`, zeros(1)), "twice"],
    ["a repeated key in escapes", fileOf(`{"a":${info("U8", [0], 0, 0)},"\\u0061":${info("U8", [0], 0, 0)}}`), "twice"],
    ["a repeated field", fileOf('{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "twice"],
    ["a tensor that is no object", fileOf('{"a":1}'), "not described"],
    ["an unknown field", fileOf('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}'), '"x"'],
    ["an unknown dtype", fileOf(`{"a":${info("F4", [2], 0, 1)}}`, zeros(1)), "F4"],
    ["a dtype from the prototype", fileOf(`{"a":${info("toString", [1], 0, 1)}}`, zeros(1)), "toString"],
    ["a negative size", fileOf(`{"a":${info("U8", [-1], 0, 0)}}`), "non-negative"],
    ["a fractional size", fileOf(`{"a":${info("U8", [0.5], 0, 0)}}`), "non-negative"],
    ["a shape that is a number", fileOf(`{"a":${info("U8", 1, 0, 1)}}`, zeros(1)), "non-negative"],
    ["a size that disagrees with the shape", fileOf(`{"a":${info("F32", [2], 0, 4)}}`, zeros(4)), "needs 8"],
    ["a shape whose product overflows", fileOf(`{"a":${info("U8", [2 ** 40, 2 ** 40], 0, 1)}}`, zeros(1)), "overflows"],
    ["a product that overflows into zero", fileOf(`{"a":${info("F32", [2 ** 31, 2 ** 32, 0], 0, 0)}}`), "overflows"],
    ["offsets that run backwards", fileOf(`{"a":${info("U8", [1], 1, 0)}}`, zeros(1)), "start ≤ end"],
    [
      "overlapping tensors",
      fileOf(`{"a":${info("U8", [2], 0, 2)},"b":${info("U8", [2], 1, 3)}}`, zeros(3)),
      "overlaps",
    ],
    [
      "tensors that share one range",
      fileOf(`{"a":${info("U8", [2], 0, 2)},"b":${info("U8", [2], 0, 2)}}`, zeros(2)),
      "overlaps",
    ],
    ["a hole between tensors", fileOf(`{"a":${info("U8", [1], 0, 1)},"b":${info("U8", [1], 2, 3)}}`, zeros(3)), "hole"],
    ["a hole at the start", fileOf(`{"a":${info("U8", [1], 1, 2)}}`, zeros(2)), "hole"],
    ["bytes after the last tensor", fileOf(`{"a":${info("U8", [1], 0, 1)}}`, zeros(2)), "follow the last"],
    ["a file two bytes short", fileOf(`{"a":${info("U8", [4], 0, 4)}}`, zeros(2)), "holds 2"],
    ["metadata that is no text", fileOf('{"__metadata__":{"a":1}}'), "string to string"],
    ["metadata that is a list", fileOf('{"__metadata__":[]}'), "not an object"],
    ["a name that is half a surrogate pair", fileOf(`{"\\ud800":${info("U8", [0], 0, 0)}}`), "Unicode"],
  ]
  it.each(refused)("refuses %s", (_name, bytes, message) => {
    expect(() => readSafetensors(bytes)).toThrow(InvalidSafetensors)
    expect(() => readSafetensors(bytes)).toThrow(message)
  })

  it("refuses a header over the caller's limit", () => {
    expect(() => readSafetensors(fileOf(`{}${" ".repeat(99)}`), { maxHeaderBytes: 100 })).toThrow("limit of 100")
  })

  it("accepts white space around the header", () => {
    expect(readSafetensors(fileOf(" \n{} \t ")).tensors.size).toBe(0)
  })

  it("accepts tensors of rank 0 and of size 0, in any header order", () => {
    const header = `{"z":${info("F32", [], 0, 4)},"e":${info("I64", [0, 7], 0, 0)},"__metadata__":{"k":"v"}}`
    const { tensors, metadata } = readSafetensors(fileOf(header, zeros(4)))
    expect(tensors.get("z")).toMatchObject({ dtype: "F32", shape: [], data: zeros(4) })
    expect(tensors.get("e")).toMatchObject({ dtype: "I64", shape: [0, 7], data: zeros(0) })
    expect(metadata).toEqual({ k: "v" })
  })

  it("does not copy tensor bytes", () => {
    const bytes = writeSafetensors([tensorOf("a", [3], Float32Array.of(1, 2, 3))])
    const tensor = readSafetensors(bytes).tensors.get("a")!
    expect(tensor.data.buffer).toBe(bytes.buffer)
    expect(asFloat32(tensor).buffer).toBe(bytes.buffer)
  })

  it("reads a tensor called __proto__ like any other", () => {
    const { tensors } = readSafetensors(fileOf(`{"__proto__":${info("U8", [1], 0, 1)}}`, Uint8Array.of(9)))
    expect(tensors.get("__proto__")!.data).toEqual(Uint8Array.of(9))
  })
})

const arbitraryTensor: fc.Arbitrary<Tensor> = fc
  .record({
    name: fc
      .string({ unit: "grapheme", maxLength: 12 })
      .filter((name) => name.isWellFormed() && name !== "__metadata__"),
    dtype: fc.constantFrom(...(Object.keys(BYTES_PER_ELEMENT) as SafetensorsDtype[])),
    shape: fc.array(fc.nat({ max: 4 }), { maxLength: 3 }),
  })
  .chain(({ name, dtype, shape }) => {
    const size = shape.reduce((product, length) => product * length, BYTES_PER_ELEMENT[dtype])
    return fc.uint8Array({ minLength: size, maxLength: size }).map((data) => ({ name, dtype, shape, data }))
  })
const arbitraryTensors = fc.uniqueArray(arbitraryTensor, { selector: (tensor) => tensor.name, maxLength: 5 })
const arbitraryMetadata = fc.dictionary(fc.string(), fc.string())

describe("writing safetensors", () => {
  it("reads back what it wrote, for any tensors and metadata", () => {
    fc.assert(
      fc.property(arbitraryTensors, arbitraryMetadata, (tensors, metadata) => {
        const read = readSafetensors(writeSafetensors(tensors, metadata))
        expect(read.metadata).toEqual({ ...metadata })
        expect(read.tensors.size).toBe(tensors.length)
        for (const tensor of tensors) {
          const found = read.tensors.get(tensor.name)!
          expect({ ...found, data: [...found.data] }).toEqual({ ...tensor, data: [...tensor.data] })
        }
      }),
      { numRuns: 150 },
    )
  })

  it("gives the same bytes in whatever order tensors and metadata come", () => {
    fc.assert(
      fc.property(arbitraryTensors, arbitraryMetadata, (tensors, metadata) => {
        const reversed = Object.fromEntries(Object.entries(metadata).reverse())
        expect(writeSafetensors([...tensors].reverse(), reversed)).toEqual(writeSafetensors(tensors, metadata))
      }),
      { numRuns: 100 },
    )
  })

  it("meets any damage to a file with InvalidSafetensors or a readable file, never another error", () => {
    const damage = fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }), cut: fc.option(fc.nat()) })
    fc.assert(
      fc.property(arbitraryTensors, fc.array(damage, { minLength: 1, maxLength: 4 }), (tensors, damages) => {
        let bytes: Uint8Array = writeSafetensors(tensors, { format: "pt" })
        for (const { at, to, cut } of damages) {
          if (bytes.length > 0) bytes[at % bytes.length] = to
          if (cut !== null) bytes = bytes.subarray(0, bytes.length - (cut % 16))
        }
        try {
          readSafetensors(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidSafetensors)
        }
      }),
      { numRuns: 400 },
    )
  })

  it("lays the file out to the byte as the format says", () => {
    const bytes = writeSafetensors([tensorOf("b", [2], Uint8Array.of(1, 2)), tensorOf("a", [1], Uint32Array.of(3))], {
      z: "1",
      y: "2",
    })
    const header =
      '{"__metadata__":{"y":"2","z":"1"},"a":{"dtype":"U32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}'
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8)
    expect(bytes).toEqual(fileOf(padded, Uint8Array.of(3, 0, 0, 0, 1, 2)))
  })

  it("refuses two tensors of one name, and data that disagrees with its shape", () => {
    const tensor = tensorOf("a", [1], Float32Array.of(1))
    expect(() => writeSafetensors([tensor, tensor])).toThrow(InvalidSafetensors)
    expect(() => writeSafetensors([tensorOf("a", [2], Float32Array.of(1))])).toThrow("needs 8")
    expect(() => writeSafetensors([{ ...tensor, name: "__metadata__" }])).toThrow(InvalidSafetensors)
  })
})

describe("typed values", () => {
  const halves = (...bits: number[]) => new Uint8Array(Uint16Array.from(bits).buffer)

  it("widens F16 exactly, subnormals and infinities included", () => {
    const data = halves(0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x8000, 0x7c00, 0xfc00, 0x3555)
    const values = asFloat32({ name: "h", dtype: "F16", shape: [9], data })
    const expected = [1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, -0, Infinity, -Infinity, 0.333251953125]
    expect([...values]).toEqual(expected)
    expect(asFloat32({ name: "h", dtype: "F16", shape: [1], data: halves(0x7e00) })[0]).toBeNaN()
  })

  it("widens BF16 exactly", () => {
    const values = asFloat32({ name: "h", dtype: "BF16", shape: [4], data: halves(0x3f80, 0xbf00, 0x4049, 0xff80) })
    expect([...values]).toEqual([1, -0.5, 3.140625, -Infinity])
  })

  it("copies data that is not aligned", () => {
    const shifted = new Uint8Array(9)
    shifted.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 1)
    expect([...asFloat32({ name: "a", dtype: "F32", shape: [2], data: shifted.subarray(1) })]).toEqual([1.5, -2])
    expect([...asUint32({ name: "a", dtype: "U32", shape: [1], data: shifted.subarray(1, 5) })]).toEqual([0x3fc00000])
  })

  it("refuses to read one dtype as another", () => {
    const tensor = tensorOf("a", [1], Int32Array.of(-5))
    expect([...asInt32(tensor)]).toEqual([-5])
    for (const read of [asUint32, asFloat32]) expect(() => read(tensor)).toThrow(InvalidSafetensors)
    expect(() => asInt32(tensorOf("a", [1], Uint32Array.of(5)))).toThrow("expected I32")
  })
})
