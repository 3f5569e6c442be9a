// The weight files of a model folder: model.safetensors, or shards with an index. Digested once, then read and written one tensor at a
// time, in the layout of the folder they came from: a model on the device is in the host's memory neither once nor twice.
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import path from "node:path"
import type { Files } from "#shared/domain/Files.ts"
import { type DecoderConfig, InvalidModel } from "#shared/formats/families/decoder-config.ts"
import {
  asFloat32,
  checkTensorBytes,
  headerEnd,
  InvalidSafetensors,
  layoutSafetensors,
  readSafetensorsLazily,
  type Safetensors,
  type Tensor,
  type TensorDescription,
} from "#shared/formats/weights/safetensors.ts"
import {
  heldTwice,
  shardNames,
  WEIGHTS,
  WEIGHTS_INDEX,
  weightsDigest,
} from "#shared/formats/weights/safetensors-index.ts"
import { FileDamaged, ModelFileMissing } from "../errors.ts"
import { createByteFile, type DigestedFile, digestFile } from "../files.ts"
import { makeFolder } from "../make-folder.ts"

/** One safetensors file of a model. */
export interface WeightFile {
  readonly name: string
  readonly metadata: Readonly<Record<string, string>>
  /** Names of the tensors that it holds. */
  readonly tensors: readonly string[]
}

export interface ModelWeights {
  /** By name; the bytes are read from the file whenever they are asked for, and must be those that were digested. */
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly files: readonly WeightFile[]
  /** SHA-256 of model.safetensors; of the shards' digests in order of name where there are several. */
  readonly digest: string
}

/** What is known of one file of weights that is not here. */
export interface WeightHead {
  readonly name: string
  readonly digest: string
  readonly tensors: readonly TensorDescription[]
}

/** Enough to tell a pointer of Git LFS, and where the header ends. */
const FIRST_BYTES = 1024
const FETCH_AGAIN = `${WEIGHTS_INDEX} names it; fetch the model folder again`

/**
 * Reads all weights of a folder, each file held to the digest that it was registered with. Errors: ModelFileMissing (with `mend` where
 * there are no weights at all), FileDamaged, InvalidModel, InvalidSafetensors.
 */
export async function readModelWeights(
  directory: string,
  mend: string,
  onRead?: (file: string, bytes: number, total: number) => void,
  registered: Files = {},
): Promise<ModelWeights> {
  const hasSingle = existsSync(path.join(directory, WEIGHTS))
  if (!hasSingle && !existsSync(path.join(directory, WEIGHTS_INDEX))) {
    const pickle = readdirSync(directory).find((name) => /\.(bin|pth|pt)$/.test(name))
    const other = pickle === undefined ? "" : `; ${pickle} is a pickle, which is not read: save it again as safetensors`
    throw new ModelFileMissing(path.join(directory, WEIGHTS), `${mend}; sharded weights need ${WEIGHTS_INDEX}${other}`)
  }
  const names = hasSingle ? [WEIGHTS] : shardNames(readFileSync(path.join(directory, WEIGHTS_INDEX), "utf8"))
  const tensors = new Map<string, Tensor>()
  const digests: { readonly name: string; readonly digest: string }[] = []
  const files: WeightFile[] = []
  for (const name of names) {
    const file = path.join(directory, name)
    if (!existsSync(file)) throw new ModelFileMissing(file, FETCH_AGAIN)
    const digested = await digestFile(file, (read, total) => onRead?.(name, read, total))
    const { [name]: expected = digested.digest } = registered
    if (digested.digest !== expected) throw new FileDamaged(file, expected, digested.digest)
    digests.push({ name, digest: digested.digest })
    const { tensors: found, metadata } = readNamed(digested, file)
    for (const [tensorName, tensor] of found) {
      if (tensors.has(tensorName)) {
        const first = files.find((read) => read.tensors.includes(tensorName))!.name
        throw heldTwice(tensorName, first, name)
      }
      tensors.set(tensorName, tensor)
    }
    files.push({ name, metadata, tensors: [...found.keys()] })
  }
  return { tensors, files, digest: await weightsDigest(digests) }
}

/** Weights of which the heads alone are here, in order of name: their tensors have no bytes, and throw when those are asked for. */
export async function weightsOfHeads(heads: readonly WeightHead[]): Promise<ModelWeights> {
  const absent = (tensor: TensorDescription): Tensor => ({
    ...tensor,
    get data(): never {
      throw new Error(`the bytes of ${tensor.name} are not on this machine`)
    },
  })
  return {
    tensors: new Map(heads.flatMap(({ tensors }) => tensors.map((tensor) => [tensor.name, absent(tensor)] as const))),
    files: heads.map(({ name, tensors }) => ({ name, metadata: {}, tensors: tensors.map((tensor) => tensor.name) })),
    digest: await weightsDigest(heads),
  }
}

function readNamed({ bytes, read }: DigestedFile, file: string): Safetensors {
  try {
    const end = headerEnd(read(0, Math.min(bytes, FIRST_BYTES)), bytes)
    return readSafetensorsLazily(read(0, end), bytes, read)
  } catch (error) {
    if (error instanceof InvalidSafetensors) throw new InvalidSafetensors(`${file}: ${error.message}`)
    throw error
  }
}

/**
 * A head stored beside the embedding that it is tied to must be the same values: with others, transformers 4 ties and ignores
 * it, and transformers 5 uses it. Throws InvalidModel.
 */
export function checkTiedHead(config: DecoderConfig, tensors: ReadonlyMap<string, Tensor>): void {
  const head = tensors.get("lm_head.weight")
  const embedding = tensors.get("model.embed_tokens.weight")
  if (!config.tieWordEmbeddings || head === undefined || embedding === undefined) return
  const isSame = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    a.length === b.length && Array.prototype.every.call(a, (value, index) => value === b[index])
  const isTied =
    head.dtype === embedding.dtype
      ? Buffer.compare(head.data, embedding.data) === 0
      : isSame(asFloat32(head), asFloat32(embedding))
  if (isTied) return
  throw new InvalidModel(
    "config.json has tie_word_embeddings true, and the weights hold an lm_head.weight of other values, which versions of " +
      "transformers treat differently; set tie_word_embeddings to false to use that head, or remove lm_head.weight",
  )
}

/**
 * Writes the weights of a model into another folder: the same files with the same tensors in the same dtypes and shapes,
 * each passed through `change`, which must keep both (so that the index stays true). Returns SHA-256 by file name.
 */
export function writeModelWeights(
  source: { readonly directory: string; readonly weights: ModelWeights },
  to: string,
  change: (tensor: Tensor) => Tensor,
): Record<string, string> {
  const { tensors, files } = source.weights
  makeFolder(to)
  const digests: Record<string, string> = {}
  for (const file of files) {
    const { head, order } = layoutSafetensors(
      file.tensors.map((name) => tensors.get(name)!),
      { format: "pt", ...file.metadata },
    )
    const output = createByteFile(path.join(to, file.name))
    try {
      output.write(head)
      for (const tensor of order) {
        const changed = change(tensor)
        const { name, dtype, shape } = tensor
        const { data } = changed
        checkTensorBytes({ name, dtype, shape, data })
        output.write(data)
      }
    } catch (error) {
      output.discard()
      throw error
    }
    digests[file.name] = output.finish()
  }
  const isSharded = files.some(({ name }) => name !== WEIGHTS)
  if (isSharded) copyFileSync(path.join(source.directory, WEIGHTS_INDEX), path.join(to, WEIGHTS_INDEX))
  // What an earlier export left in the other layout would be read instead of, or beside, these.
  rmSync(path.join(to, isSharded ? WEIGHTS : WEIGHTS_INDEX), { force: true })
  return digests
}
