// A run's candidate held against production and its base by answers, where its dataset states an evaluation: the steps of Evaluate. What cannot be
// measured ends no run: the gates are told why.
import { Effect } from "effect"
import { Activity } from "effect/workflow"
import { heldAs } from "#shared/wire/job.ts"
import type { Contestant } from "#shared/workflows/comparison.ts"
import type { Generated, Judged } from "#shared/workflows/evaluate.ts"
import {
  type Champion,
  type Evaluated,
  type Opponents,
  RetrainActivities,
  type RetrainPayload,
  type Trained,
} from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { compareAnswers } from "../evaluate/compare-answers.ts"
import { contestantOf } from "../evaluate/contestants.ts"
import { recordStep, recordStepBegun } from "../runs/run-rows.ts"
import { call } from "./transient.ts"

type Base = Omit<Contestant, "model" | "adapter">

/** The run's base, as the configuration holds it: candidate and base answer side by side. */
const baseOf = ({ base, config }: RetrainPayload): Base => {
  const { baseWeights } = heldAs(config)
  const source = base.source === undefined ? {} : { baseSource: base.source }
  return { base: base.files, ...source, ...(baseWeights === undefined ? {} : { baseWeights }) }
}

const candidateOf = (payload: RetrainPayload, trained: Trained): Contestant => {
  const { baseSource: _, ...held } = baseOf(payload)
  if (trained.model !== undefined) return { ...held, base: trained.model }
  return { ...baseOf(payload), ...(trained.adapter === undefined ? {} : { adapter: trained.adapter }) }
}

/** Production first, where it serves anything; then the base. */
const findOpponents = Effect.fn("findOpponents")(function* (
  payload: RetrainPayload,
  runId: string,
  { version }: Champion,
) {
  const env = yield* Bindings
  // Also where production moved, and the run compares once more.
  yield* call("note the comparison", () => recordStepBegun(env.DB, runId, "compare"))
  const { base, modelName } = payload
  const ofBase: Contestant = { ...baseOf(payload), model: { name: base.name, version: base.version } }
  if (version === null) return { against: [ofBase] } satisfies Opponents
  const production = yield* call("look up what production serves", () =>
    contestantOf(env, { name: modelName, version }),
  )
  if (!production.ok) return { unmeasured: production.error.message } satisfies Opponents
  return { against: [production.value, ofBase] } satisfies Opponents
})

type Measured = { readonly generated: Generated; readonly judged: Judged } | { readonly unmeasured: string }

/** The held-out numbers with what the answers came to, noted in the run's row. */
const noteWinRate = Effect.fn("noteWinRate")(function* (
  { evaluation }: RetrainPayload,
  runId: string,
  evaluated: Evaluated,
  measured: Measured,
) {
  const { DB } = yield* Bindings
  const withAnswers: Evaluated = { ...evaluated, ...shownOf(evaluation!.prompts, measured) }
  const { nonFinite: _, ...detail } = withAnswers
  yield* call("note the win rate", () => recordStep(DB, runId, { step: "evaluate", detail, next: "promote" }))
  return withAnswers
})

const shownOf = (prompts: string, measured: Measured): Partial<Evaluated> => {
  if ("unmeasured" in measured) return { winRateUnmeasured: measured.unmeasured }
  const { generated, judged } = measured
  const { scores, report, winRates, judgeAccuracy } = judged
  const [winRate, winRateOverBase] = winRates
  return {
    ...(winRate === undefined ? {} : { winRate }),
    ...(winRateOverBase === undefined ? {} : { winRateOverBase }),
    ...(judgeAccuracy === undefined ? {} : { judgeAccuracy }),
    answers: { prompts, responses: generated.responses, scores, report },
  }
}

const NOTES = { generated: () => Effect.void, judged: () => Effect.void }

/** The candidate's numbers with its win rates; as they are where the dataset states no evaluation. Steps are named by the champion: each is met once. */
export const compareCandidate = Effect.fnUntraced(function* (
  payload: RetrainPayload,
  runId: string,
  {
    trained,
    evaluated,
    champion,
  }: { readonly trained: Trained; readonly evaluated: Evaluated; readonly champion: Champion },
) {
  const { evaluation, limits } = payload
  if (evaluation === undefined) return evaluated
  const prefix = `against-${champion.version ?? "base"}-`
  const opponents = yield* Activity.make({
    name: `${prefix}opponents`,
    ...RetrainActivities.opponents,
    execute: findOpponents(payload, runId, champion),
  })
  const measured: Measured =
    "unmeasured" in opponents
      ? opponents
      : yield* compareAnswers(
          { candidate: candidateOf(payload, trained), ...opponents, ...evaluation },
          { runId, prefix, limits },
          NOTES,
        ).pipe(Effect.catch(({ message }) => Effect.succeed({ unmeasured: message })))
  return yield* Activity.make({
    name: `${prefix}win-rate`,
    ...RetrainActivities.winRate,
    execute: noteWinRate(payload, runId, evaluated, measured),
  })
})
