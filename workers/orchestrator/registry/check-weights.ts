// Whether a model's weights are what its configuration and index say, asked before it is registered. Of files of any size only the
// headers are read, by range; that their bytes are those of their digests was seen when they were uploaded.
import { Schema } from "effect"
import type { Files } from "#shared/domain/Files.ts"
import { firstFew } from "#shared/domain/first-few.ts"
import { type HubSource, otherWeights } from "#shared/domain/Model.ts"
import { InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { InvalidSafetensors, type TensorDescription } from "#shared/formats/weights/safetensors.ts"
import { readHead } from "#shared/formats/weights/safetensors-head.ts"
import { checkWeightHeaders, WEIGHTS_INDEX, weightFiles } from "#shared/formats/weights/safetensors-index.ts"
import { type BlobBucket, blobPlace } from "#shared/wire/blobs.ts"
import { LIMITS, slices } from "#shared/wire/limits.ts"

/** Anything else that is thrown means that a part did not answer. */
class WeightsUnusable extends Schema.TaggedError<WeightsUnusable>()("WeightsUnusable", {
  file: Schema.String,
  why: Schema.String,
}) {}

const unusable = (file: string, why: string) => new WeightsUnusable({ file, why })

const placeOf = async (bucket: BlobBucket, file: string, digest: string) => {
  const place = await blobPlace(bucket, digest)
  if (place === undefined) throw unusable(file, `its blob ${digest} is not stored`)
  return place
}

const readStart = async (bucket: BlobBucket, key: string, bytes: number): Promise<Uint8Array> => {
  const object = await bucket.get(key, { range: { offset: 0, length: bytes } })
  if (object === null) throw new Error(`${key} is gone`)
  return new Uint8Array(await object.arrayBuffer())
}

const readText = async (bucket: BlobBucket, file: string, digest: string): Promise<string> => {
  const { key, bytes } = await placeOf(bucket, file, digest)
  if (bytes > LIMITS.weightsHeaderBytes)
    throw unusable(file, `it has ${bytes} bytes, and ${LIMITS.weightsHeaderBytes} are read at most`)
  return new TextDecoder().decode(bytes === 0 ? undefined : await readStart(bucket, key, bytes))
}

const readHeader = async (bucket: BlobBucket, file: string, digest: string): Promise<readonly TensorDescription[]> => {
  const { key, bytes } = await placeOf(bucket, file, digest)
  if (bytes === 0) throw unusable(file, "it is empty")
  const start = async (length: number) => ({
    bytes: await readStart(bucket, key, Math.min(bytes, length)),
    fileBytes: bytes,
  })
  return (await said(file, () => readHead(start, LIMITS.weightsHeaderBytes)))!
}

/** What the formats refuse, as a refusal of this file. */
const said = async <A>(file: string, read: () => A | Promise<A>): Promise<A> => {
  try {
    return await read()
  } catch (cause) {
    if (cause instanceof InvalidModel || cause instanceof InvalidSafetensors) throw unusable(file, cause.message)
    throw cause
  }
}

/** Every runner would fetch them, and nobody read them. */
const refuseOthers = (files: Files, read: readonly string[]): void => {
  const others = otherWeights(Object.keys(files), read)
  if (others.length === 0) return
  const [first = "", ...rest] = read
  const from = rest.length === 0 ? first : `the ${read.length} files that ${WEIGHTS_INDEX} names`
  throw unusable(
    firstFew(others),
    `its weights are read from ${from}, and from no other safetensors; leave out what is not named`,
  )
}

const checkWeights = async (bucket: BlobBucket, files: Files, source: HubSource | undefined): Promise<void> => {
  const configDigest = files["config.json"]
  if (configDigest === undefined) throw unusable("config.json", "it is not among the files")
  const configText = await readText(bucket, "config.json", configDigest)
  const config = await said("config.json", () => parseDecoderConfig(configText))
  const indexDigest = files[WEIGHTS_INDEX]
  const index = indexDigest === undefined ? undefined : await readText(bucket, WEIGHTS_INDEX, indexDigest)
  const names = await said(WEIGHTS_INDEX, () => weightFiles(Object.keys(files), index))
  refuseOthers(files, names)
  const stored = source === undefined ? names : []
  const headers = new Map<string, readonly TensorDescription[]>()
  for (const some of slices(stored, LIMITS.concurrentCalls / 2)) {
    const read = await Promise.all(
      some.map(async (name) => {
        const digest = Object.hasOwn(files, name) ? files[name] : undefined
        if (digest === undefined) throw unusable(name, "it is not among the files")
        return [name, await readHeader(bucket, name, digest)] as const
      }),
    )
    for (const [name, tensors] of read) headers.set(name, tensors)
  }
  if (source === undefined) await said("the set of weights", () => checkWeightHeaders(config, headers, index))
}

export interface CheckedWeights {
  readonly source?: HubSource | undefined
  /** What the model is, and what helps if it is unusable, for the words of a refusal. */
  readonly is?: string
  readonly mend?: string
}

/**
 * What is in the way of using a model's weights, in words; undefined where nothing is. Weights that are on a hub only are not looked at:
 * runners hold them to their digests, and load them.
 */
export const faultOfWeights = async (
  bucket: BlobBucket,
  files: Files,
  { source, is = "base model", mend = "register a corrected version" }: CheckedWeights = {},
): Promise<string | undefined> => {
  try {
    await checkWeights(bucket, files, source)
    return undefined
  } catch (cause) {
    if (cause instanceof WeightsUnusable) return `${cause.file} of the ${is} cannot be used: ${cause.why}; ${mend}`
    throw cause
  }
}
