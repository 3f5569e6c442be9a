// Registers the adapter, points `candidate` at it, and `production` too when every gate passes and the run may promote.
import { Effect } from "effect"
import type { RunDetail } from "#shared/domain/Run.ts"
import { blocks } from "#shared/gates/GateResult.ts"
import { filesOfMade, heldAs } from "#shared/wire/job.ts"
import {
  type Champion,
  type Evaluated,
  ModelRefused,
  type Promoted,
  type RetrainPayload,
  type StoredPack,
  type Trained,
} from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { recordStep } from "../runs/run-rows.ts"
import { judge } from "./gates.ts"
import { takenBackOf } from "./still-said.ts"
import { call, callRpc } from "./transient.ts"

export interface Candidate {
  readonly payload: RetrainPayload
  readonly runId: string
  readonly pack: StoredPack
  readonly trained: Trained
  readonly evaluated: Evaluated
  /** The blob of its evaluation. */
  readonly evaluation: string
  readonly champion: Champion
  /** Production's accuracy on the same pack, where there is one to compare with. */
  readonly championAccuracy: number | undefined
}

const refused = (message: string) => new ModelRefused({ message })

const register = Effect.fnUntraced(function* ({ payload, runId, pack, trained, evaluated, evaluation }: Candidate) {
  const { REGISTRY } = yield* Bindings
  const { modelName: name, base, config } = payload
  const { accuracy, accuracyLow, accuracyHigh, baseAccuracy, driftPerToken, pairs } = evaluated
  return yield* callRpc(
    "register what was trained",
    () =>
      REGISTRY.getByName(name).register({
        ...{ name, kind: trained.model === undefined ? "adapter" : "finetune", files: filesOfMade(trained), runId },
        base: { name: base.name, version: base.version },
        metrics: {
          ...{ accuracy, accuracyLow, accuracyHigh, baseAccuracy, driftPerToken, pairs },
          /** What later runs on the same pack compare themselves with. */
          evaluation,
          ...{ pack: pack.digest, method: config.method, ...heldAs(config) },
        },
      }),
    refused,
  )
})

/** True when production serves `version` now; false when it moved since the champion was looked up. */
const promoteToProduction = Effect.fnUntraced(function* ({ payload, runId, champion }: Candidate, version: number) {
  const { REGISTRY } = yield* Bindings
  const { modelName: name } = payload
  const move = { channel: "production", version, expected: champion.version, operation: `${runId}/production` } as const
  const result = yield* call("promote the adapter", () => REGISTRY.getByName(name).move(name, move))
  if (result.ok) return true
  if (result.error._tag === "Conflict") return false
  return yield* refused(result.error.message)
})

export const promoteCandidate = Effect.fn("promoteCandidate")(function* (candidate: Candidate) {
  const { DB, REGISTRY } = yield* Bindings
  const { payload, runId, pack, evaluated, champion, championAccuracy } = candidate
  const { modelName: name } = payload
  const takenBack = yield* Effect.mapError(takenBackOf(pack), ({ message }) => refused(message))
  const gates = judge(evaluated, payload.gates, { championAccuracy, takenBack })
  const { version, digest } = yield* register(candidate)
  yield* callRpc(
    "move the candidate channel",
    () => REGISTRY.getByName(name).move(name, { channel: "candidate", version, operation: `${runId}/candidate` }),
    refused,
  )
  const mayPromote = payload.promotion === "automatic" && !gates.some(blocks)
  if (mayPromote && !(yield* promoteToProduction(candidate, version)))
    return { kind: "production-moved" } satisfies Promoted
  const detail: NonNullable<RunDetail["promote"]> = {
    ...{ name, version, digest, promoted: mayPromote, gates },
    ...(takenBack.takenBack === 0 ? {} : { takenBack: takenBack.takenBack }),
  }
  if (champion.version !== null) {
    // What it was measured against is known only now.
    const { nonFinite: _, ...measured } = evaluated
    yield* call("note the comparison", () =>
      recordStep(DB, runId, { step: "evaluate", detail: measured, next: "promote" }),
    )
  }
  yield* call("note the promotion", () => recordStep(DB, runId, { step: "promote", detail, next: "promote" }))
  return { kind: "decided", promote: detail } satisfies Promoted
})
