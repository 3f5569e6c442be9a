// What test/bench/tokenizer-memory.ts runs in workerd: the scorer's own way from a registered model's files to token ids, by itself.
import { Effect, Layer } from "effect"
import { Blobs } from "#workers/scorer/Blobs.ts"
import { loadedModels } from "#workers/scorer/LoadedModels.ts"
import { ReferenceModel } from "#workers/scorer/ReferenceModel.ts"

interface Asked {
  /** None: nothing is loaded, which shows what the code itself takes. */
  readonly files?: Readonly<Record<string, string>>
  readonly texts?: readonly string[]
}

const encode = Effect.fnUntraced(function* ({ files, texts = [] }: Asked) {
  if (files === undefined) return { tokens: 0, accountedBytes: 0 }
  const model = yield* ReferenceModel
  const { tokenisation, bytes } = yield* model.tokeniser(files)
  let tokens = 0
  for (const text of texts) tokens += tokenisation.encode(text).length
  return { tokens, accountedBytes: bytes }
})

export default {
  fetch: async (request: Request, env: { readonly BLOBS: R2Bucket }): Promise<Response> => {
    const asked = await request.json<Asked>()
    const layer = ReferenceModel.layer(loadedModels).pipe(Layer.provide(Blobs.layer(env.BLOBS)))
    return Response.json(
      await encode(asked).pipe(
        Effect.match({ onSuccess: (value) => value, onFailure: ({ message }) => ({ refused: message }) }),
        Effect.provide(layer),
        Effect.runPromise,
      ),
    )
  },
}
