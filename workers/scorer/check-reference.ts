// Whether a base model can be used at all, asked before it is registered: what its files lack is said then, not by the first
// run that fails on them. Loads what scoring loads and scores one known sequence. Weights are not compared with the graph.
import { Clock, Effect, Schema } from "effect"
import { Files } from "#shared/domain/Files.ts"
import { ReferenceInvalid, ReferenceTooLarge } from "./errors.ts"
import type { Tokeniser } from "./LoadedModels.ts"
import { ReadModel } from "./ReadModel.ts"
import { ReferenceModel } from "./ReferenceModel.ts"

const decodeFiles = Schema.decodeUnknownEffect(Schema.Struct({ files: Files }))

const KNOWN_TEXT = "Yohaku"

/** A question and its answer; through the template where there is one, which may drop them but not refuse them. */
const knownSequence = ({ tokenisation }: Tokeniser) =>
  Effect.try({
    try: () => {
      const policy = { maxLength: Number.MAX_SAFE_INTEGER }
      const turn = (role: string) => [{ role, content: KNOWN_TEXT }]
      const plain = Uint32Array.from(tokenisation.encode(KNOWN_TEXT))
      if (tokenisation.chatTemplate !== undefined)
        tokenisation.tokeniseResponse({ prompt: turn("user"), response: turn("assistant") }, policy)
      else tokenisation.tokeniseResponse({ prompt: KNOWN_TEXT, response: KNOWN_TEXT }, policy)
      return { key: "the known sequence", promptIds: plain, responseIds: plain }
    },
    catch: (cause) =>
      new ReferenceInvalid({
        file: tokenisation.chatTemplate === undefined ? "tokenizer.json" : "the chat template",
        detail: cause instanceof Error ? cause.message : String(cause),
      }),
  })

/** Fails with what is in the way. The session stays open: the first pairs are likely to be this model's. */
export const checkReference = Effect.fnUntraced(function* (input: unknown) {
  const { files } = yield* Effect.mapError(
    decodeFiles(input),
    ({ message }) => new ReferenceInvalid({ file: "the list of files", detail: message }),
  )
  const model = yield* ReferenceModel
  const tokeniser = yield* model.tokeniser(files)
  const sequence = yield* knownSequence(tokeniser)
  const { logProbs, sessionsOpened } = yield* model.compute(files, [sequence])
  if (logProbs[0] === undefined)
    return yield* new ReferenceTooLarge({ detail: "one short sequence needs more memory than an edge isolate has" })
  const readModel = yield* ReadModel
  yield* readModel.commit([], { sessionsOpened, computed: 0, fromCache: 0 }, yield* Clock.currentTimeMillis)
  return null
})
