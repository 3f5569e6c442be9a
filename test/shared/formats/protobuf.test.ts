// The examples of protobuf.dev/programming-guides/encoding, byte for byte.
import { describe, expect, it } from "vitest"
import { ProtobufMessage } from "#shared/formats/protobuf.ts"

const hex = (message: ProtobufMessage): string => Buffer.from(message.toBytes()).toString("hex")

describe("a protobuf message", () => {
  it("holds whole numbers as varints, the lowest seven bits first", () => {
    expect(hex(new ProtobufMessage().int(1, 150))).toBe("089601")
    expect(hex(new ProtobufMessage().int(1, 0))).toBe("0800")
    expect(hex(new ProtobufMessage().int(2, 2 ** 31 - 1))).toBe("10ffffffff07")
    expect(hex(new ProtobufMessage().int(1, Number.MAX_SAFE_INTEGER))).toBe("08ffffffffffffff0f")
  })

  it("holds a negative whole number in ten bytes, as int64 in two's complement", () => {
    expect(hex(new ProtobufMessage().int(1, -2))).toBe("08feffffffffffffffff01")
  })

  it("gives a field from number 16 on a key of two bytes", () => {
    expect(hex(new ProtobufMessage().int(16, 1))).toBe("800101")
  })

  it("holds text and messages with their lengths before them", () => {
    expect(hex(new ProtobufMessage().text(2, "testing"))).toBe("120774657374696e67")
    expect(hex(new ProtobufMessage().message(3, new ProtobufMessage().int(1, 150)))).toBe("1a03089601")
    expect(hex(new ProtobufMessage().text(1, "é"))).toBe("0a02c3a9")
  })

  it("holds floats in four bytes and doubles in eight, little-endian", () => {
    expect(hex(new ProtobufMessage().float(2, 0.5))).toBe("150000003f")
    expect(hex(new ProtobufMessage().double(1, 1.5))).toBe("09000000000000f83f")
    expect(hex(new ProtobufMessage().float(2, Number.POSITIVE_INFINITY))).toBe("150000807f")
  })

  it("keeps the order of the calls, and knows its size before it is whole", () => {
    const message = new ProtobufMessage().text(2, "b").int(1, 1).bytes(3, Uint8Array.of(0, 255))
    expect(hex(message)).toBe("12016208011a0200ff")
    expect(message.size).toBe(9)
  })
})
