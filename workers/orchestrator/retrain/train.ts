// Accepts what a runner trained: an adapter's files must be those of PEFT, those of a full fine-tune a whole model whose weights are what
// its configuration says; and their blobs must be there.
import { Effect } from "effect"
import { faultOfMade, filesOfMade, type JobResult } from "#shared/wire/job.ts"
import { ResultUnusable, type RetrainPayload, type Trained } from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { faultOfWeights } from "../registry/check-weights.ts"
import { recordStep } from "../runs/run-rows.ts"
import { missingBlobs } from "./blobs.ts"
import { call } from "./transient.ts"

const unusable = (why: string) => new ResultUnusable({ message: `${why}; update the runner` })

export const acceptTrained = Effect.fn("acceptTrained")(function* (
  { config }: Pick<RetrainPayload, "config">,
  runId: string,
  result: JobResult,
) {
  const { BLOBS, DB } = yield* Bindings
  if (result.kind !== "train") return yield* unusable(`the runner answered a train job with ${result.kind}`)
  const { kind: _, ...detail } = result
  const fault = faultOfMade(detail, config)
  if (fault !== undefined) return yield* unusable(fault)
  const what = detail.model === undefined ? "adapter" : "model"
  const missing = yield* call(`look for the ${what}'s files`, () =>
    missingBlobs(BLOBS, Object.values(filesOfMade(detail))),
  )
  if (missing.length > 0) return yield* unusable(`the ${what}'s blob ${missing[0]} was never uploaded`)
  const { model } = detail
  if (model !== undefined) {
    const of = { is: "trained model", mend: "update the runner, and start the run again" }
    const weights = yield* call("look at the model's weights", () => faultOfWeights(BLOBS, model, of))
    if (weights !== undefined) return yield* new ResultUnusable({ message: weights })
  }
  yield* call(`note the ${what}`, () => recordStep(DB, runId, { step: "train", detail, next: "evaluate" }))
  return detail satisfies Trained
})
