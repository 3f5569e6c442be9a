// What can be wrong with judgements and with what is computed from them. Every message says how to mend it.

/** A file of judgements, of styles or of difficulties does not hold what it should. */
export class UnusableJudgements extends Error {
  readonly _tag = "UnusableJudgements"
  override readonly name = "UnusableJudgements"
}

/** The judgements are sound, and too few or too alike for the number that is asked for. */
export class TooLittleJudged extends Error {
  readonly _tag = "TooLittleJudged"
  override readonly name = "TooLittleJudged"
}

/** What would hold length equal says nothing: the raw win rate is all there is. */
export class LengthNotControlled extends TooLittleJudged {
  constructor() {
    super("too few verdicts to control length; take the raw rate")
  }
}

/** A fit did not reach its stated bound. */
export class FitNotReached extends Error {
  readonly _tag = "FitNotReached"
  override readonly name = "FitNotReached"
}
