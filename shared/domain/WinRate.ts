// How often a model's answers are better than another's, as a judge says, and how far that judge goes with people.
import { Schema } from "effect"
import { Count, Share } from "./bounds.ts"
import { MOST_OPPONENTS } from "./EvaluationSettings.ts"
import { Digest } from "./Files.ts"
import { ModelReference } from "./ModelReference.ts"

/** Wins and half of the ties of what was judged, with Wilson's 95 % interval. */
const counted = { wins: Count, losses: Count, ties: Count, rate: Share, low: Share, high: Share }

export const Evidence = Schema.Struct({ better: Schema.Finite, worse: Schema.Finite })

export const WinRate = Schema.Struct({
  /** Whose answers the candidate's were held against. */
  against: ModelReference,
  ...counted,
  /** The mean of the judge's own probabilities that the candidate's answer is the better one, with Student's 95 % interval. */
  preference: Schema.Struct({ mean: Share, standardError: Schema.Finite, low: Share, high: Share }),
  /** At equal length, as AlpacaEval 2 controls it, with the middle 95 % of draws; absent where the lengths do not tell, or too little was judged. */
  lengthControlled: Schema.optionalKey(Schema.Struct({ rate: Share, low: Share, high: Share })),
  /** Code points of an answer, on the mean. */
  meanLength: Schema.Struct({ candidate: Schema.Finite, against: Schema.Finite }),
  /** Prompts of which the judge could score an answer not at all. */
  notJudged: Count,
  /** That the candidate's answers win more often than they lose, and that they lose more often: e-values, which may be looked at any time. Absent: an evaluation of before they were counted. */
  evidence: Schema.optionalKey(Evidence),
  /** By what the prompts' metadata says of them. */
  groups: Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.String, ...counted })),
}).annotate({ identifier: "WinRate" })
export type WinRate = typeof WinRate.Type

const Accuracy = Schema.Struct({ accuracy: Share, low: Share, high: Share, pairs: Count })

/** How often the judge puts first what people preferred, on the suite's own pairs. A tie is wrong. */
export const JudgeAccuracy = Schema.Struct({
  ...Accuracy.fields,
  ties: Count,
  /** What "the longer one is better" reaches on the same pairs: to be beaten. */
  longerWins: Share,
  /** Of the pairs whose preferred answer is the longer one, and of the others; absent where there are none. */
  chosenLonger: Schema.optionalKey(Accuracy),
  chosenNotLonger: Schema.optionalKey(Accuracy),
}).annotate({ identifier: "JudgeAccuracy" })
export type JudgeAccuracy = typeof JudgeAccuracy.Type

/** By whose they are (name@version, or "candidate"): blobs of responses (shared/wire/responses.ts). */
export const ResponsesByName = Schema.Record(Schema.String, Digest).check(Schema.isMaxProperties(1 + MOST_OPPONENTS))

/** Of a run whose candidate was compared by answers: the suite, and what came of it. */
export const ComparedAnswers = Schema.Struct({
  prompts: Digest,
  responses: ResponsesByName,
  scores: Digest,
  report: Digest,
})
export type ComparedAnswers = typeof ComparedAnswers.Type
