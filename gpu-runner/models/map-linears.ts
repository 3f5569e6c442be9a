// A model on the same buffers whose linear layers are changed one by one.
import { layerPath } from "#shared/formats/families/decoder-config.ts"
import type { AttentionBlock } from "./attention-block.ts"
import type { Linear } from "./linear.ts"
import type { MlpBlock } from "./mlp-block.ts"

interface Layered {
  readonly layers: readonly { readonly attention: AttentionBlock; readonly mlp: MlpBlock }[]
}

interface LinearPlace {
  /** As the module is named in the checkpoint. */
  readonly path: string
  /** Its input has the rows of predicting tokens alone, where a batch lists them (laid-out-batch.ts). */
  readonly isOfPredicting: boolean
}

export function mapLinears<Model extends Layered>(
  model: Model,
  change: (linear: Linear, place: LinearPlace) => Linear,
): Model {
  const layers = model.layers.map(({ attention, mlp }, index) => {
    const isLast = index === model.layers.length - 1
    const ofTokens = (linear: Linear, name: string) =>
      change(linear, { path: `${layerPath(index)}.${name}`, isOfPredicting: false })
    const ofResult = (linear: Linear, name: string) =>
      change(linear, { path: `${layerPath(index)}.${name}`, isOfPredicting: isLast })
    return {
      attention: {
        ...attention,
        query: ofResult(attention.query, "self_attn.q_proj"),
        key: ofTokens(attention.key, "self_attn.k_proj"),
        value: ofTokens(attention.value, "self_attn.v_proj"),
        output: ofResult(attention.output, "self_attn.o_proj"),
      },
      mlp: {
        ...mlp,
        gate: ofResult(mlp.gate, "mlp.gate_proj"),
        up: ofResult(mlp.up, "mlp.up_proj"),
        down: ofResult(mlp.down, "mlp.down_proj"),
      },
    }
  })
  return { ...model, layers }
}
