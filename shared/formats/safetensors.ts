// The safetensors container: an 8-byte little-endian header length, a JSON header, then tensor bytes.
// Strict on reading (a hostile file yields InvalidSafetensors, nothing else) and deterministic on writing.

/** Every dtype that the format's reference implementation stores in whole bytes. */
export type SafetensorsDtype =
  | "BOOL"
  | "U8"
  | "I8"
  | "F8_E5M2"
  | "F8_E4M3"
  | "U16"
  | "I16"
  | "F16"
  | "BF16"
  | "U32"
  | "I32"
  | "F32"
  | "U64"
  | "I64"
  | "F64"

/** One named tensor; `data` holds row-major little-endian bytes. */
export interface Tensor {
  readonly name: string
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

/** A parsed file: tensors in header order, each `data` a view into the bytes that were read. */
export interface Safetensors {
  readonly tensors: Map<string, Tensor>
  readonly metadata: Record<string, string>
}

/** The bytes are no valid safetensors file; the message names the tensor or field and the mend. */
export class InvalidSafetensors extends Error {
  readonly _tag = "InvalidSafetensors"
}

/** Parses a file without copying tensor bytes. Throws InvalidSafetensors. `maxHeaderBytes` defaults to 100 MB, as in the reference. */
export function readSafetensors(_bytes: Uint8Array, _options: { readonly maxHeaderBytes?: number } = {}): Safetensors {
  throw new Error("unfinished")
}

/** Writes tensors sorted by dtype alignment (widest first), then name. Equal inputs give equal bytes. Throws InvalidSafetensors. */
export function writeSafetensors(
  _tensors: Iterable<Tensor>,
  _metadata: Record<string, string> = {},
): Uint8Array<ArrayBuffer> {
  throw new Error("unfinished")
}

/** Values of an F32, F16 or BF16 tensor as f32; a view when F32 and aligned, else a copy. Throws InvalidSafetensors on other dtypes. */
export function asFloat32(_tensor: Tensor): Float32Array {
  throw new Error("unfinished")
}

/** Values of a U32 tensor; a view when aligned, else a copy. */
export function asUint32(_tensor: Tensor): Uint32Array {
  throw new Error("unfinished")
}

/** Values of an I32 tensor; a view when aligned, else a copy. */
export function asInt32(_tensor: Tensor): Int32Array {
  throw new Error("unfinished")
}

/** A tensor over the bytes of a typed array (not copied); the dtype follows from the array's type. */
export function tensorOf(
  _name: string,
  _shape: readonly number[],
  _values: Float32Array | Uint32Array | Int32Array | Uint8Array,
): Tensor {
  throw new Error("unfinished")
}
