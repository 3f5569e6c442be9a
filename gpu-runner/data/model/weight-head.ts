// The head of a file of weights, its refusal with the file's name.
import { InvalidSafetensors, type TensorDescription } from "#shared/formats/weights/safetensors.ts"
import { type FileStart, readHead } from "#shared/formats/weights/safetensors-head.ts"
import { LIMITS } from "#shared/wire/limits.ts"

/** Undefined where `start` has none to give. Errors: InvalidSafetensors, and those of `start`. */
export async function headOfWeights(
  fileName: string,
  start: (bytes: number) => Promise<FileStart | undefined>,
): Promise<readonly TensorDescription[] | undefined> {
  try {
    return await readHead(start, LIMITS.weightsHeaderBytes)
  } catch (cause) {
    if (!(cause instanceof InvalidSafetensors)) throw cause
    throw new InvalidSafetensors(`${fileName} cannot be used: ${cause.message}`)
  }
}
