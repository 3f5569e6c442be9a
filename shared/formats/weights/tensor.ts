// A named tensor as safetensors stores it, and its typed values: views where dtype and alignment allow, else copies.
import { narrowBFloat16, narrowFloat16, widenBFloat16, widenFloat16 } from "./half-float.ts"

/** Size of one element of each dtype. */
export const BYTES_PER_ELEMENT = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
  C64: 8,
} as const

/** Every dtype that the format's reference implementation stores in whole bytes. */
export type SafetensorsDtype = keyof typeof BYTES_PER_ELEMENT

/** One named tensor; `data` holds row-major little-endian bytes. */
export interface Tensor {
  readonly name: string
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

/** The bytes are no valid safetensors file; the message names the tensor or field and the mend. */
export class InvalidSafetensors extends Error {
  readonly _tag = "InvalidSafetensors"
}

/** Values of an F32, F16 or BF16 tensor as f32; a view when F32 and aligned, else a copy. Throws InvalidSafetensors on other dtypes. */
export function asFloat32(tensor: Tensor): Float32Array {
  if (tensor.dtype === "F32") {
    const data = aligned(tensor.data)
    return new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4)
  }
  if (tensor.dtype === "BF16") return widenBFloat16(halves(tensor.data))
  if (tensor.dtype === "F16") return widenFloat16(halves(tensor.data))
  throw wrongDtype(tensor, "F32, F16 or BF16")
}

/** Values of a U32 tensor; a view when aligned, else a copy. Throws InvalidSafetensors on other dtypes. */
export function asUint32(tensor: Tensor): Uint32Array {
  if (tensor.dtype !== "U32") throw wrongDtype(tensor, "U32")
  const data = aligned(tensor.data)
  return new Uint32Array(data.buffer, data.byteOffset, data.byteLength / 4)
}

/** Values of an I32 tensor; a view when aligned, else a copy. Throws InvalidSafetensors on other dtypes. */
export function asInt32(tensor: Tensor): Int32Array {
  if (tensor.dtype !== "I32") throw wrongDtype(tensor, "I32")
  const data = aligned(tensor.data)
  return new Int32Array(data.buffer, data.byteOffset, data.byteLength / 4)
}

/** A tensor over the bytes of a typed array (not copied); the dtype follows from the array's type. Its shape is checked on writing. */
export function tensorOf(
  name: string,
  shape: readonly number[],
  values: Float32Array | Uint32Array | Int32Array | Uint8Array,
): Tensor {
  const dtype =
    values instanceof Float32Array
      ? "F32"
      : values instanceof Uint32Array
        ? "U32"
        : values instanceof Int32Array
          ? "I32"
          : "U8"
  return { name, dtype, shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) }
}

/** The dtypes that weights may be stored in. */
export type FloatDtype = "F32" | "F16" | "BF16"

/** Whether a dtype is one that weights may be stored in. */
export function isFloatDtype(dtype: SafetensorsDtype): dtype is FloatDtype {
  return dtype === "F32" || dtype === "F16" || dtype === "BF16"
}

/** A tensor of f32 values in a dtype of choice, rounded to nearest, ties to even; F32 keeps the given memory. */
export function encodeTensor(name: string, shape: readonly number[], values: Float32Array, dtype: FloatDtype): Tensor {
  if (dtype === "F32") return tensorOf(name, shape, values)
  const bits = dtype === "BF16" ? narrowBFloat16(values) : narrowFloat16(values)
  return { name, dtype, shape, data: new Uint8Array(bits.buffer) }
}

function aligned(data: Uint8Array): Uint8Array {
  return data.byteOffset % 4 === 0 ? data : data.slice()
}

function halves(data: Uint8Array): Uint16Array {
  const bytes = data.byteOffset % 2 === 0 ? data : data.slice()
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2)
}

function wrongDtype(tensor: Tensor, expected: string): InvalidSafetensors {
  return new InvalidSafetensors(
    `tensor ${JSON.stringify(tensor.name)} is ${tensor.dtype}, expected ${expected}; convert the file`,
  )
}
