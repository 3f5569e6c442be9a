// Whether a base model can be used, asked before it is registered and before a dataset is made on it: what its files lack is
// said then, not by the first run that fails on them. Loads what scoring loads and scores one known sequence. Weights are not read: the
// orchestrator has looked at their headers, and nobody compares them with the graph.
import { Clock, Effect, Schema } from "effect"
import { PromptForm } from "#shared/domain/Dataset.ts"
import { Files } from "#shared/domain/Files.ts"
import { EDGE_GRAPH } from "#shared/domain/Model.ts"
import type { ReferenceUse } from "#shared/wire/services.ts"
import { ReferenceInvalid, ReferenceTooLarge } from "./errors.ts"
import type { Tokeniser } from "./LoadedModels.ts"
import { ReadModel } from "./ReadModel.ts"
import { ReferenceModel } from "./ReferenceModel.ts"

const decodeFiles = Schema.decodeUnknownEffect(
  Schema.Struct({
    files: Files,
    promptForm: Schema.optionalKey(PromptForm),
    systemText: Schema.optionalKey(Schema.String),
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

/** Fails with what is in the way. A model without a graph is not scored here: its tokenizer and template are tried. The session stays open: the first pairs are likely to be this model's. */
export const checkReference = Effect.fnUntraced(function* (input: unknown) {
  const { files, ...form } = yield* Effect.mapError(
    decodeFiles(input),
    ({ message }) => new ReferenceInvalid({ file: "the list of files", detail: message }),
  )
  const model = yield* ReferenceModel
  const tokeniser = yield* model.tokeniser(files)
  const sequence = yield* knownSequence(tokeniser, form)
  if (!(EDGE_GRAPH in files)) return null
  const { logProbs, sessionsOpened } = yield* model.compute(files, [sequence])
  if (logProbs[0] === undefined)
    return yield* new ReferenceTooLarge({ detail: "one short sequence needs more memory than an edge isolate has" })
  const readModel = yield* ReadModel
  yield* readModel.commit([], { sessionsOpened, computed: 0, fromCache: 0 }, yield* Clock.currentTimeMillis)
  return null
})
