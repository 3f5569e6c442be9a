// Evaluate, top to bottom: answers → scores → win rates (compare-answers.ts).
import { Effect } from "effect"
import { Evaluate } from "#shared/workflows/evaluate.ts"
import { Bindings } from "../Environment.ts"
import { call } from "../retrain/transient.ts"
import { compareAnswers } from "./compare-answers.ts"
import { recordEvaluationStep } from "./evaluation-rows.ts"

/** Registers Evaluate with the engine it is given. */
export const evaluateLayer = Evaluate.toLayer(
  Effect.fnUntraced(function* ({ comparison, limits }, runId) {
    const { DB } = yield* Bindings
    const { judged } = yield* compareAnswers(
      comparison,
      { runId, prefix: "", limits },
      {
        generated: (detail) =>
          call("note the answers", () => recordEvaluationStep(DB, runId, { step: "generate", detail, next: "judge" })),
        judged: (detail) =>
          call("note the win rates", () => recordEvaluationStep(DB, runId, { step: "judge", detail, next: "judge" })),
      },
    )
    return judged
  }),
)
