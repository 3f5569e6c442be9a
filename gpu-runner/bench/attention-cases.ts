// Attention over laid-out pairs, forward and backward. FLOPs are those of visible pairs of tokens.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { attention, attentionBackward } from "#gpu-runner/ops/attention/attention.ts"
import { attentionLayout, type PairLengths } from "#gpu-runner/ops/attention/attention-layout.ts"
import { uploadAttentionLayout } from "#gpu-runner/ops/attention/attention-lists.ts"
import { ATTENTION_BACKWARD_RATIO, attentionForwardFlops } from "./flops.ts"
import type { OpCase } from "./op-cases.ts"
import { uploadedRandom } from "./random-model.ts"

export interface AttentionSizes {
  readonly rows: readonly PairLengths[]
  readonly headCount: number
  readonly keyValueHeadCount: number
  readonly headSize: number
}

/** Its forward and its backward pass. Tensors belong to the open scope. */
export function attentionCases(context: OpContext, sizes: AttentionSizes): OpCase[] {
  const { rows, headSize, ...heads } = sizes
  const host = attentionLayout(rows)
  const layout = uploadAttentionLayout(context, host)
  const tokens = host.tokenCount
  const random = (columns: number, label: string) => uploadedRandom(context, [tokens, columns], label)
  const queryColumns = heads.headCount * headSize
  const keyColumns = heads.keyValueHeadCount * headSize
  const inputs = {
    query: random(queryColumns, "bench.query"),
    key: random(keyColumns, "bench.key"),
    value: random(keyColumns, "bench.value"),
  }
  const saved = {
    ...inputs,
    ...attention(context, inputs, layout, heads),
    dOutput: random(queryColumns, "bench.d_output"),
  }
  const forwardFlops = attentionForwardFlops(rows, queryColumns)
  const [{ promptLength, chosenLength, rejectedLength }] = rows as readonly [PairLengths, ...PairLengths[]]
  const facts = { tokens, pairs: rows.length, promptLength, chosenLength, rejectedLength, headSize, ...heads }
  return [
    {
      name: "forward",
      sizes: facts,
      flops: forwardFlops,
      run: () => {
        attention(context, inputs, layout, heads)
      },
    },
    {
      name: "backward",
      sizes: facts,
      flops: ATTENTION_BACKWARD_RATIO * forwardFlops,
      run: () => {
        attentionBackward(context, saved, layout, heads)
      },
    },
  ]
}
