// The head of a safetensors file, wherever the file lies: a second read is made only where the first did not hold it.
import { headerEnd, readSafetensorsHeader, type TensorDescription } from "./safetensors.ts"

/** The beginning of a file. */
export interface FileStart {
  readonly bytes: Uint8Array
  /** Of the whole file. */
  readonly fileBytes: number
}

/** Holds most heads. */
const FIRST_READ_BYTES = 256 * 1024

/**
 * `start` gives so many bytes, or all that the file has; undefined where it has none to give. A head of more than `maxHeaderBytes` is refused. Errors:
 * InvalidSafetensors, and those of `start`.
 */
export async function readHead(
  start: (bytes: number) => Promise<FileStart | undefined>,
  maxHeaderBytes: number,
): Promise<readonly TensorDescription[] | undefined> {
  const first = await start(FIRST_READ_BYTES)
  if (first === undefined) return undefined
  const { bytes, fileBytes } = first
  const end = headerEnd(bytes, fileBytes, maxHeaderBytes)
  const head = end <= bytes.length ? bytes.subarray(0, end) : (await start(end))?.bytes
  return head && readSafetensorsHeader(head, fileBytes).tensors
}
