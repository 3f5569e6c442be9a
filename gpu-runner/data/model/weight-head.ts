// The head of a safetensors file, wherever the file lies: a second read is made only where the first did not hold it.
import {
  headerEnd,
  InvalidSafetensors,
  readSafetensorsHeader,
  type TensorDescription,
} from "#shared/formats/weights/safetensors.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import type { FileStart } from "../first-bytes.ts"

/** Holds most heads. */
const FIRST_READ_BYTES = 256 * 1024

/** Undefined where `start` has none to give. `is` names the file in a refusal. Errors: InvalidSafetensors, and those of `start`. */
export async function headOfWeights(
  is: string,
  start: (bytes: number) => Promise<FileStart | undefined>,
): Promise<readonly TensorDescription[] | undefined> {
  const first = await start(FIRST_READ_BYTES)
  if (first === undefined) return undefined
  const { bytes, fileBytes } = first
  try {
    const end = headerEnd(bytes, fileBytes, LIMITS.weightsHeaderBytes)
    const head = end <= bytes.length ? bytes.subarray(0, end) : (await start(end))?.bytes
    return head && readSafetensorsHeader(head, fileBytes).tensors
  } catch (cause) {
    if (!(cause instanceof InvalidSafetensors)) throw cause
    throw new InvalidSafetensors(`${is} cannot be used: ${cause.message}`)
  }
}
