// What the training's own forward pass says of a sequence: the logits and log-probs of every response token, all at once.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { hiddenDecoder, scoreHidden } from "#gpu-runner/models/decoder.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { uploadBatch } from "#gpu-runner/models/laid-out-batch.ts"
import { layOutRows } from "#gpu-runner/models/laid-out-rows.ts"
import { capInPlace } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"

export interface TeacherForced {
  /** Of each response token, the row of logits that it was chosen from. */
  readonly logits: readonly Float32Array[]
  /** Nats. */
  readonly sumLogProb: number
}

/** Of a prompt and the response that follows it. */
export async function teacherForced(
  context: OpContext,
  model: Decoder,
  promptIds: Uint32Array,
  responseIds: readonly number[],
): Promise<TeacherForced> {
  const scope = context.memory.openScope()
  try {
    const row = { promptIds, chosenIds: Uint32Array.from(responseIds), rejectedIds: new Uint32Array() }
    const batch = uploadBatch(context, model, layOutRows([row]), { backward: false })
    const hidden = hiddenDecoder(context, model, batch)
    const scores = scoreHidden(context, model, batch, hidden)
    const logits = matmul(context, hidden, model.head.stored, { transposeB: true })
    if (model.config.finalSoftCap !== undefined) capInPlace(context, logits, model.config.finalSoftCap)
    const [values, logProbs] = await readback(context, [logits, scores.logProbs])
    const { vocabularySize } = model.config
    return {
      logits: responseIds.map((_, at) => values!.subarray(at * vocabularySize, (at + 1) * vocabularySize)),
      sumLogProb: logProbs!.reduce((sum, logProb) => sum + logProb, 0),
    }
  } finally {
    scope.close()
  }
}
