// A model on the same buffers whose linear layers are changed one by one.
import type { AttentionBlock } from "./attention-block.ts"
import type { Linear } from "./linear.ts"
import type { MlpBlock } from "./mlp-block.ts"

interface Layered {
  readonly layers: readonly { readonly attention: AttentionBlock; readonly mlp: MlpBlock }[]
}

/** `isOfPredicting`: its input has the rows of predicting tokens alone, where a batch lists them (laid-out-batch.ts). */
export function mapLinears<Model extends Layered>(
  model: Model,
  change: (linear: Linear, place: { readonly isOfPredicting: boolean }) => Linear,
): Model {
  const layers = model.layers.map(({ attention, mlp }, index) => {
    const ofTokens = (linear: Linear) => change(linear, { isOfPredicting: false })
    const ofResult = (linear: Linear) => change(linear, { isOfPredicting: index === model.layers.length - 1 })
    return {
      attention: {
        ...attention,
        query: ofResult(attention.query),
        key: ofTokens(attention.key),
        value: ofTokens(attention.value),
        output: ofResult(attention.output),
      },
      mlp: { ...mlp, gate: ofResult(mlp.gate), up: ofResult(mlp.up), down: ofResult(mlp.down) },
    }
  })
  return { ...model, layers }
}
