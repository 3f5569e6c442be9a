// A dataset's reference model on the edge: its tokenizer, and its log-probs by ONNX Runtime. Files are loaded by digest, and
// the digests come only from registered models: a hostile tokenizer or graph could stall or fill the isolate.
import { Clock, Context, Effect, Layer } from "effect"
import type { Files } from "#shared/domain/Files.ts"
import { EDGE_GRAPH } from "#shared/domain/Model.ts"
import { referenceFingerprint, sha256Hex } from "#shared/formats/digest.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { MAX_GRAPH_BYTES } from "#shared/formats/onnx/edge-fit.ts"
import { NOTES_BYTES, notesOf } from "#shared/formats/onnx/graph-file.ts"
import { WEIGHTS_INDEX, weightFiles, weightsDigest } from "#shared/formats/weights/safetensors-index.ts"
import { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { type BlobFailure, Blobs } from "./Blobs.ts"
import { ReferenceInvalid, ReferenceTooLarge } from "./errors.ts"
import type { LoadedModels, Tokeniser } from "./LoadedModels.ts"
import { isOutOfMemory, type OnnxSession, runSession } from "./onnx-runtime.ts"
import { readTokenizer, type TokenizerUnfit } from "./read-tokenizer.ts"

/** Another event loads a tokenizer. */
const LOOK_AGAIN_MS = 50

/** One response in its context. */
export interface ResponseTokens {
  readonly key: string
  readonly promptIds: Uint32Array
  readonly responseIds: Uint32Array
}

export interface Computed {
  /** In the order of the responses; undefined where one did not fit the memory. */
  readonly logProbs: readonly (Float32Array | undefined)[]
  readonly sessionsOpened: number
}

const fileOf = (files: Files, name: string): Effect.Effect<string, ReferenceInvalid> => {
  const digest = files[name]
  return digest === undefined
    ? Effect.fail(new ReferenceInvalid({ file: name, detail: "it is not among the registered files" }))
    : Effect.succeed(digest)
}

const describe = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const tooLarge = (detail: string) => new ReferenceTooLarge({ detail })

const invalid = (file: string) => (cause: unknown) => new ReferenceInvalid({ file, detail: describe(cause) })

const readText = Effect.fnUntraced(function* (files: Files, name: string) {
  const blobs = yield* Blobs
  const bytes = yield* blobs.read(yield* fileOf(files, name), name)
  return new TextDecoder().decode(bytes)
})

const readOptionalText = (files: Files, name: string) =>
  name in files ? readText(files, name) : Effect.succeed(undefined)

/** Names the weights as whoever holds their files does. */
const weightsOf = Effect.fnUntraced(function* (files: Files) {
  const index = yield* readOptionalText(files, WEIGHTS_INDEX)
  const names = yield* Effect.try({
    try: () => weightFiles(Object.keys(files), index),
    catch: invalid(WEIGHTS_INDEX),
  })
  const digests = yield* Effect.forEach(names, (name) =>
    Effect.map(fileOf(files, name), (digest) => ({ name, digest })),
  )
  return yield* Effect.promise(() => weightsDigest(digests))
})

/** A graph that is missing computes nothing, which is told where it should. */
const graphNotes = Effect.fnUntraced(function* (files: Files) {
  const digest = files[EDGE_GRAPH]
  const none = new Uint8Array(0)
  const blobs = yield* Blobs
  const start = digest === undefined ? Effect.succeed(none) : blobs.readStart(digest, EDGE_GRAPH, NOTES_BYTES)
  return notesOf(yield* Effect.catchTag(start, "BlobMissing", () => Effect.succeed(none)))
})

const loadTokeniser = Effect.fnUntraced(function* (files: Files, makeRoom: (bytes: number) => void) {
  const configJson = yield* readText(files, "config.json")
  const config = yield* Effect.try({
    try: () => parseDecoderConfig(configJson),
    catch: invalid("config.json"),
  })
  const tokenizerDigest = yield* fileOf(files, "tokenizer.json")
  const { fields: tokenizerJson, bytes } = yield* readTokenizer(tokenizerDigest, makeRoom)
  const tokenizerConfigJson = yield* readText(files, "tokenizer_config.json")
  const specialTokensMapJson = yield* readOptionalText(files, "special_tokens_map.json")
  const chatTemplate = yield* readOptionalText(files, "chat_template.jinja")
  const chatTemplateJson = yield* readOptionalText(files, "chat_template.json")
  const generationConfigJson = yield* readOptionalText(files, "generation_config.json")
  const tokenisation = yield* Effect.try({
    try: () =>
      Tokenisation.fromFiles({
        ...{ tokenizerJson, tokenizerConfigJson, specialTokensMapJson, generationConfigJson },
        ...{ chatTemplate, chatTemplateJson, vocabularySize: config.vocabularySize },
      }),
    catch: invalid("tokenizer.json"),
  })
  const weights = yield* weightsOf(files)
  const graph = yield* graphNotes(files)
  const fingerprint = yield* Effect.promise(async () => {
    const template = tokenisation.chatTemplate === undefined ? "" : await sha256Hex(tokenisation.chatTemplate)
    return referenceFingerprint({ weights, tokenizer: tokenizerDigest, template }, graph.precision)
  })
  return {
    tokenisation,
    tokenizerDigest,
    referenceFingerprint: fingerprint,
    maxPositions: config.maxPositions,
    ...{ bytes, config, graph },
  } satisfies Tokeniser
})

/** The files that decide how text becomes ids and which records they have, as one key. */
export const tokeniserKey = (files: Files): string =>
  Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, digest]) => `${name}:${digest}`)
    .join(" ")

const readModel = Effect.fnUntraced(function* (digest: string) {
  const blobs = yield* Blobs
  const sizeBytes = yield* blobs.sizeBytes(digest, "model.onnx")
  if (sizeBytes > MAX_GRAPH_BYTES)
    return yield* tooLarge(`model.onnx has ${sizeBytes} bytes and an edge isolate takes ${MAX_GRAPH_BYTES}`)
  return yield* blobs.read(digest, "model.onnx")
})

const runOne = async (session: OnnxSession, response: ResponseTokens): Promise<Float32Array | undefined> => {
  const { promptIds, responseIds } = response
  const tokenIds = Uint32Array.from([...promptIds, ...responseIds])
  const logProbs = await runSession(session, tokenIds, promptIds.length).catch((cause: unknown) => {
    if (isOutOfMemory(cause)) return undefined
    throw cause
  })
  if (logProbs === undefined) return undefined
  const expected = responseIds.length
  if (logProbs.length !== expected) throw new Error(`it returned ${logProbs.length} log-probs for ${expected} tokens`)
  if (!logProbs.every(Number.isFinite)) throw new Error(`it returned a log-prob that is not finite for ${response.key}`)
  return logProbs
}

/** Opens and runs without waiting for I/O in between: no other event of the isolate can release the session meanwhile. */
const runAll = async (
  loaded: LoadedModels,
  digest: string,
  model: Uint8Array | undefined,
  responses: readonly ResponseTokens[],
): Promise<Computed> => {
  const { session, isNew } = await loaded.session(digest, model)
  const logProbs: (Float32Array | undefined)[] = []
  for (const response of responses) logProbs.push(await runOne(session, response))
  return { logProbs, sessionsOpened: isNew ? 1 : 0 }
}

export class ReferenceModel extends Context.Service<
  ReferenceModel,
  {
    /** The tokenizer of a registered model, kept for the isolate's life. */
    tokeniser(files: Files): Effect.Effect<Tokeniser, ReferenceInvalid | TokenizerUnfit | BlobFailure>
    /** Log-probs of every response, in order. Opens the session if it is not open; asked for nothing, it opens nothing. */
    compute(
      files: Files,
      responses: readonly ResponseTokens[],
    ): Effect.Effect<Computed, ReferenceInvalid | ReferenceTooLarge | BlobFailure>
  }
>()("yohaku/scorer/ReferenceModel") {
  static readonly layer = (loaded: LoadedModels): Layer.Layer<ReferenceModel, never, Blobs> =>
    Layer.effect(
      ReferenceModel,
      Effect.gen(function* () {
        const blobs = yield* Blobs
        return {
          tokeniser: Effect.fnUntraced(function* (files) {
            const key = tokeniserKey(files)
            let endsMs: number | undefined
            for (;;) {
              const kept = loaded.tokeniser(key)
              if (kept !== undefined) return kept
              endsMs = loaded.beginLoad(yield* Clock.currentTimeMillis)
              if (endsMs !== undefined) break
              yield* Effect.sleep(LOOK_AGAIN_MS)
            }
            const ends = endsMs
            const tokeniser = yield* loadTokeniser(files, (bytes) => loaded.makeRoom(bytes)).pipe(
              Effect.provideService(Blobs, blobs),
              Effect.ensuring(Effect.sync(() => loaded.endLoad(ends))),
            )
            loaded.keepTokeniser(key, tokeniser)
            return tokeniser
          }),
          compute: Effect.fnUntraced(function* (files, responses) {
            if (responses.length === 0) return { logProbs: [], sessionsOpened: 0 }
            const digest = yield* fileOf(files, EDGE_GRAPH)
            const model = loaded.hasSession(digest)
              ? undefined
              : yield* readModel(digest).pipe(Effect.provideService(Blobs, blobs))
            return yield* Effect.tryPromise({
              try: () => runAll(loaded, digest, model, responses),
              catch: (cause) =>
                isOutOfMemory(cause)
                  ? tooLarge(
                      "model.onnx found no room in an edge isolate, whose memory other models may have worn; start the run again later, or let runners compute the reference (PATCH the dataset with reference.place runner)",
                    )
                  : invalid("model.onnx")(cause),
            })
          }),
        }
      }),
    )
}
