// A step of α-DPO as this engine's trainer takes it, on the benchmark's random model.
import { layoutConfig } from "#gpu-runner/bench/layouts.ts"
import { openSession, randomRows } from "#gpu-runner/bench/training-session.ts"
import { mostPositions } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Prepared } from "../serve-rounds.ts"
import type { PairsTask } from "../tasks.ts"

export function preparePairs(context: OpContext, task: PairsTask): Prepared {
  const { sizes, promptLength, responseLength, rank } = task
  const model = layoutConfig(
    {
      hidden: sizes.hidden_size,
      layers: sizes.num_hidden_layers,
      heads: sizes.num_attention_heads,
      keyValueHeads: sizes.num_key_value_heads,
      headSize: sizes.head_dim,
      intermediate: sizes.intermediate_size,
      vocabulary: sizes.vocab_size,
      tied: task.tiesEmbeddings,
    },
    sizes.max_position_embeddings,
  )
  const pair = { promptLength, chosenLength: responseLength, rejectedLength: responseLength }
  const rows = randomRows(
    model,
    Array.from({ length: task.pairs }, () => pair),
  )
  const positionCount = mostPositions(rows)
  const session = openSession(context, {
    ...{ model, rank, positionCount, baseWeights: "stored", trains: "adapter", method: "alpha-dpo" },
  })
  const step = async () => {
    const gradient = await session.gradient(rows)
    session.apply(gradient)
    context.recorder.submit()
    await context.gpu.device.queue.onSubmittedWorkDone()
    return gradient
  }
  return {
    run: async () => void (await step()),
    find: async () => {
      const { loss } = await step()
      return { loss: loss.loss, note: "shared prompts, cached reference" }
    },
    release: () => session.release(),
  }
}
