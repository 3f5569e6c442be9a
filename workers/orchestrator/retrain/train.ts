// Accepts what a runner trained: the adapter's files must be those of PEFT, and their blobs must be there.
import { Effect } from "effect"
import { ADAPTER_FILES, type JobResult } from "#shared/wire/job.ts"
import { ResultUnusable, type Trained } from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { recordStep } from "../runs/run-rows.ts"
import { missingBlobs } from "./blobs.ts"
import { call } from "./transient.ts"

export const acceptAdapter = Effect.fn("acceptAdapter")(function* (runId: string, result: JobResult) {
  const { BLOBS, DB } = yield* Bindings
  if (result.kind !== "train")
    return yield* new ResultUnusable({
      message: `the runner answered a train job with ${result.kind}; update the runner`,
    })
  const { adapter, report } = result
  const lacking = ADAPTER_FILES.filter((name) => !Object.hasOwn(adapter, name))
  if (lacking.length > 0)
    return yield* new ResultUnusable({ message: `the adapter lacks ${lacking.join(", ")}; update the runner` })
  const missing = yield* call("look for the adapter's files", () => missingBlobs(BLOBS, Object.values(adapter)))
  if (missing.length > 0)
    return yield* new ResultUnusable({
      message: `the adapter's blob ${missing[0]} was never uploaded; update the runner`,
    })
  const detail: Trained = { adapter, report }
  yield* call("note the adapter", () => recordStep(DB, runId, { step: "train", detail, next: "evaluate" }))
  return detail
})
