// What a comparison of answers depends on, pinned by its files when it is asked for.
import { Schema } from "effect"
import { Answering, EndpointJudge, LocalJudge, MOST_OPPONENTS } from "#shared/domain/EvaluationSettings.ts"
import { Digest, Files } from "#shared/domain/Files.ts"
import { HubSource } from "#shared/domain/Model.ts"
import { ModelReference } from "#shared/domain/ModelReference.ts"
import { judgedFields } from "#shared/wire/job.ts"

/** Whose answers are held against each other, pinned by its files: a base, or an adapter of one. What was tuned as a whole is a base here. */
export const Contestant = Schema.Struct({
  /** Absent: a run's candidate, which is not registered yet. */
  model: Schema.optionalKey(ModelReference),
  base: Files,
  baseSource: Schema.optionalKey(HubSource),
  adapter: Schema.optionalKey(Files),
  baseWeights: judgedFields.baseWeights,
})
export type Contestant = typeof Contestant.Type

/** A judge of the registry, pinned by its files, and how it judges. */
export const PinnedModelJudge = Schema.Struct({
  named: LocalJudge,
  base: Files,
  baseSource: Schema.optionalKey(HubSource),
  ...judgedFields,
})
export type PinnedModelJudge = typeof PinnedModelJudge.Type

/** The other kind is as its endpoint has it: who answered is in the records. */
export const PinnedJudge = Schema.Union([PinnedModelJudge, Schema.Struct({ named: EndpointJudge })])
export type PinnedJudge = typeof PinnedJudge.Type

/** To what is answered, how, and who judges. */
export const ComparisonTerms = Schema.Struct({ prompts: Digest, answering: Answering, judge: PinnedJudge })
export type ComparisonTerms = typeof ComparisonTerms.Type

/** Everything that the answers and what is said of them depend on. */
export const Comparison = Schema.Struct({
  candidate: Contestant,
  against: Schema.NonEmptyArray(Contestant).check(Schema.isMaxLength(MOST_OPPONENTS)),
  ...ComparisonTerms.fields,
})
export type Comparison = typeof Comparison.Type

/** How a contestant is named in jobs and results. */
export const contestantName = ({ model }: Pick<Contestant, "model">): string =>
  model === undefined ? "candidate" : `${model.name}@${model.version}`
