// The workflows that this worker runs: how each is registered, and how its outcome reaches the read model.
import { Effect, type Layer } from "effect"
import type { Workflow, WorkflowEngine } from "effect/workflow"
import { Evaluate } from "#shared/workflows/evaluate.ts"
import { Retrain } from "#shared/workflows/retrain.ts"
import { Bindings, poolOf } from "./Environment.ts"
import { recordEvaluationOutcome } from "./evaluate/evaluation-rows.ts"
import { evaluateLayer } from "./evaluate/workflow.ts"
import { type StoredBlobs, storedBy } from "./retrain/stored-blobs.ts"
import { call } from "./retrain/transient.ts"
import { retrainLayer } from "./retrain/workflow.ts"
import { recordOutcome } from "./runs/run-rows.ts"

/** A stored exit, as Schema.Exit encodes it. */
interface EncodedExit {
  readonly _tag: "Success" | "Failure"
  readonly cause?: readonly {
    readonly error?: { readonly message?: string }
    readonly defect?: { readonly message?: string } | string
  }[]
}

export interface HostedWorkflow {
  readonly workflow: Workflow.Any
  readonly layer: Layer.Layer<never, never, WorkflowEngine.WorkflowEngine | Bindings>
  /** Called with the final exit until it succeeds. */
  readonly report: (executionId: string, exit: EncodedExit) => Effect.Effect<void, never, Bindings>
  /** What an activity that succeeded has stored of the dataset. */
  readonly storedBy: (activity: string, result: unknown) => StoredBlobs
}

const reasonOf = (exit: EncodedExit): string | undefined => {
  if (exit._tag === "Success") return undefined
  const first = exit.cause?.[0]
  const defect = typeof first?.defect === "string" ? first.defect : first?.defect?.message
  return first?.error?.message ?? defect ?? "the run failed and gave no reason"
}

export const workflows: readonly HostedWorkflow[] = [
  {
    workflow: Retrain,
    layer: retrainLayer,
    storedBy,
    report: (executionId, exit) =>
      Effect.gen(function* () {
        const environment = yield* Bindings
        yield* call("end the run's row", () => recordOutcome(environment, executionId, reasonOf(exit)))
        yield* call("tell the pool of the end", () => poolOf(environment).ended(executionId))
      }),
  },
  {
    workflow: Evaluate,
    layer: evaluateLayer,
    // Of a suite and of models; a dataset has no part in it.
    storedBy: () => ({ lists: [], leaves: [] }),
    report: (executionId, exit) =>
      Effect.gen(function* () {
        const environment = yield* Bindings
        yield* call("end the evaluation's row", () =>
          recordEvaluationOutcome(environment.DB, executionId, reasonOf(exit)),
        )
        yield* call("tell the pool of the end", () => poolOf(environment).ended(executionId))
      }),
  },
]
