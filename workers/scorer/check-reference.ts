// Whether a base model can be used, asked before it is registered and before a dataset is made on it: what its files lack is
// said then, not by the first run that fails on them. Loads what scoring loads and scores one known sequence. Weights are not read: the
// orchestrator has looked at their headers, and nobody compares them with the graph.
import { Effect, Schema } from "effect"
import { Count } from "#shared/domain/bounds.ts"
import { PromptForm, type Reference, ReferencePlace, ReferencePrecision } from "#shared/domain/Dataset.ts"
import { Files } from "#shared/domain/Files.ts"
import { EDGE_GRAPH } from "#shared/domain/Model.ts"
import { edgeFit, MAX_GRAPH_BYTES } from "#shared/formats/onnx/edge-fit.ts"
import { DEFAULT_REFERENCE_PRECISION, fingerprintPrecision } from "#shared/formats/weights/reference-precision.ts"
import type { CheckedReference, ReferenceUse } from "#shared/wire/services.ts"
import { Blobs } from "./Blobs.ts"
import { EdgeCannot, ReferenceInvalid, ReferenceTooLarge } from "./errors.ts"
import { whyWithoutGraph } from "./graph-advice.ts"
import type { Tokeniser } from "./LoadedModels.ts"
import { ReadModel } from "./ReadModel.ts"
import { ReferenceModel, type ResponseTokens } from "./ReferenceModel.ts"

const decodeFiles = Schema.decodeUnknownEffect(
  Schema.Struct({
    files: Files,
    promptForm: Schema.optionalKey(PromptForm),
    systemText: Schema.optionalKey(Schema.String),
    place: Schema.optionalKey(ReferencePlace),
    precision: Schema.optionalKey(ReferencePrecision),
    maxLength: Schema.optionalKey(Count),
  }),
)

const KNOWN_TEXT = "Yohaku"

/** A question and its answer; through the template where there is one, which may drop them but not refuse them. */
const knownSequence = ({ tokenisation }: Tokeniser, { promptForm, systemText }: Omit<ReferenceUse, "files">) => {
  const hasTemplate = tokenisation.chatTemplate !== undefined
  const isChat = promptForm === undefined ? hasTemplate || systemText !== undefined : promptForm === "chat"
  return Effect.try({
    try: () => {
      const policy = { maxLength: Number.MAX_SAFE_INTEGER }
      const turn = (role: string, content = KNOWN_TEXT) => [{ role, content }]
      const system = systemText === undefined ? [] : turn("system", systemText)
      const plain = Uint32Array.from(tokenisation.encode(KNOWN_TEXT))
      if (isChat)
        tokenisation.tokeniseResponse({ prompt: [...system, ...turn("user")], response: turn("assistant") }, policy)
      else tokenisation.tokeniseResponse({ prompt: KNOWN_TEXT, response: KNOWN_TEXT }, policy)
      return { key: "the known sequence", promptIds: plain, responseIds: plain }
    },
    catch: (cause) =>
      new ReferenceInvalid({
        file: isChat ? "the chat template" : "tokenizer.json",
        detail: cause instanceof Error ? cause.message : String(cause),
      }),
  })
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** Of a model that no dataset uses yet: a row of any use. */
const SHORT_ROW_TOKENS = 64

/** Whether the edge may compute this reference, before its graph is opened, and why. */
const edgeAnswer = Effect.fnUntraced(function* (files: Files, tokeniser: Tokeniser, asked: Asked) {
  const no = (why: string) => ({ fits: false, why })
  const { precision = DEFAULT_REFERENCE_PRECISION, maxLength = SHORT_ROW_TOKENS } = asked
  const digest = files[EDGE_GRAPH]
  const { config, maxPositions, graph } = tokeniser
  const longestRowTokens = Math.min(maxLength, maxPositions)
  if (digest === undefined) return no(whyWithoutGraph({ config, precision, longestRowTokens }))
  if (fingerprintPrecision(precision) !== graph.precision) {
    const values = graph.precision === "f32" ? "the weights as stored" : `weights in ${graph.precision}`
    return no(`the edge computes in f32 on ${values}, and the reference is to be in ${precision}`)
  }
  const blobs = yield* Blobs
  const bytes = yield* blobs.sizeBytes(digest, EDGE_GRAPH)
  if (bytes > MAX_GRAPH_BYTES)
    return no(`${EDGE_GRAPH} has ${megabytes(bytes)}, and an edge isolate takes ${megabytes(MAX_GRAPH_BYTES)}`)
  return edgeFit({ config, weights: graph.weights, longestRowTokens })
})

/** Scores the known sequence. The session stays open: the first pairs are likely to be this model's. */
const tryGraph = Effect.fnUntraced(function* (files: Files, sequence: ResponseTokens) {
  const model = yield* ReferenceModel
  const { logProbs, sessionsOpened } = yield* model.compute(files, [sequence])
  if (logProbs[0] === undefined)
    return yield* new ReferenceTooLarge({ detail: "one short sequence needs more memory than an edge isolate has" })
  const readModel = yield* ReadModel
  yield* readModel.count({ sessionsOpened, computed: 0, fromCache: 0 })
})

/** Decides by what fits where nobody has said, and refuses what was said and does not. */
const placeOf = Effect.fnUntraced(function* (files: Files, loaded: Loaded, asked: Asked) {
  const { place, precision = DEFAULT_REFERENCE_PRECISION } = asked
  if (place === "runner") return { place, why: "it was asked for", precision } satisfies Reference
  const { fits, why } = yield* edgeAnswer(files, loaded.tokeniser, asked)
  const found = !fits
    ? why
    : yield* tryGraph(files, loaded.sequence).pipe(
        Effect.as(undefined),
        Effect.catchTag("ReferenceTooLarge", ({ detail }) => Effect.succeed(detail)),
      )
  if (found !== undefined && place === "edge") return yield* new EdgeCannot({ detail: found })
  if (found !== undefined) return { place: "runner", why: found, precision } satisfies Reference
  return { place: "edge", why: `${why}; it scored a known sequence`, precision } satisfies Reference
})

type Asked = Pick<ReferenceUse, "place" | "precision" | "maxLength">

interface Loaded {
  readonly tokeniser: Tokeniser
  readonly sequence: ResponseTokens
}

/** Where the model's log-probs are computed; fails with what is in the way of using it. Tokenizer and template are tried wherever that is. */
export const checkReference = Effect.fnUntraced(function* (input: unknown) {
  const { files, place, precision, maxLength, ...form } = yield* Effect.mapError(
    decodeFiles(input),
    ({ message }) => new ReferenceInvalid({ file: "the list of files", detail: message }),
  )
  const asked: Asked = { ...(place && { place }), ...(precision && { precision }), ...(maxLength && { maxLength }) }
  const model = yield* ReferenceModel
  const tokeniser = yield* model.tokeniser(files)
  const reference = yield* placeOf(files, { tokeniser, sequence: yield* knownSequence(tokeniser, form) }, asked)
  return { ...reference, maxPositions: tokeniser.maxPositions } satisfies CheckedReference
})
