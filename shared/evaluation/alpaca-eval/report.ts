// A model's win rates against the baseline, from its annotations and the set's files: the keys of alpaca_eval's leaderboard, and what they rest on.
import { LengthNotControlled, TooLittleJudged, UnusableJudgements } from "../evaluation-error.ts"
import { type LadderReport, ladderReport } from "../judge/ladder.ts"
import type { Resampling } from "../statistics/resampling.ts"
import { type Annotation, isJudged } from "./annotation.ts"
import type { AnnotationFile } from "./annotation-file.ts"
import { isFarFromRaw, type LengthControlled, lengthControlled, saysNothing } from "./length-controlled.ts"
import type { LengthData } from "./length-rows.ts"
import { rawWinRate } from "./raw-win-rate.ts"
import { type Interval, winRateIntervals } from "./refit-bootstrap.ts"

export interface AlpacaEvalReport {
  readonly win_rate: number
  readonly standard_error: number
  readonly n_wins: number
  readonly n_wins_base: number
  readonly n_draws: number
  readonly n_total: number
  readonly discrete_win_rate: number
  readonly avg_length: number
  /** With what follows from the fit absent where verdicts are too few, or too alike, to control length. */
  readonly length_controlled_winrate?: number
  readonly lc_standard_error?: number
  /** What alpaca_eval says, where that is another number: it joins difficulties by position, and instructions are missing or in another order. */
  readonly length_controlled_winrate_by_position?: number
  /** Middle 95 % of draws of the instructions with a fit each; absent where none was asked for. */
  readonly win_rate_interval?: Interval
  readonly length_controlled_winrate_interval?: Interval
  /** How the judge was asked, where the file says it: rates of two protocols do not compare. */
  readonly protocol?: string
  /** Share of the pairs on which a judge that was asked in both orders contradicts itself. */
  readonly flips?: number
  /** Of verdicts that a ladder of judges gave: whose they are, and what the last of them would say alone. */
  readonly ladder?: LadderReport
  /** C, as given or by cross-validation; null for the baseline against itself. */
  readonly regularisation?: number | null
  readonly weights?: { readonly length: number; readonly difficulty: number; readonly model: number }
  readonly warnings: readonly string[]
}

export interface ReportOptions extends Pick<LengthData, "gamed" | "difficulties"> {
  /** C; undefined: chosen by cross-validation. */
  readonly regularisation?: number | undefined
  /** The n-th row is of the n-th difficulty, as in alpaca_eval, whatever its instruction is. */
  readonly joinsByPosition?: boolean
  /** The least share of the pairs that must be judged; 0.99. */
  readonly leastJudged?: number
  readonly resampling?: Resampling | undefined
}

export const LEAST_JUDGED = 0.99

/** Throws UnusableJudgements, TooLittleJudged, FitNotReached. */
export function alpacaEvalReport(file: AnnotationFile, options: ReportOptions): AlpacaEvalReport {
  const { gamed, difficulties, regularisation, resampling, leastJudged = LEAST_JUDGED } = options
  const annotations = options.joinsByPosition ? byPosition(file.annotations) : file.annotations
  refuseTooFew(annotations, difficulties?.length ?? 0, leastJudged)
  refuseUnknownInstructions(file, annotations, options)
  const data = { annotations, gamed, difficulties }
  const raw = rawWinRate(annotations)
  const fitted = fittedOrNone(data, regularisation)
  const intervals = resampling && winRateIntervals(data, fitted, resampling)
  const hasNoWidth = intervals !== undefined && intervals.lengthControlled === undefined
  const controlled = hasNoWidth && regularisation === undefined ? undefined : fitted
  const elsewhere = winRateByPosition(data, regularisation)
  const ladder = file.ladder && ladderReport(file.ladder.verdicts, file.ladder.last)
  return {
    win_rate: raw.winRate,
    standard_error: raw.standardError,
    n_wins: raw.wins,
    n_wins_base: raw.baselineWins,
    n_draws: raw.draws,
    n_total: raw.judged,
    discrete_win_rate: raw.discreteWinRate,
    avg_length: raw.averageLength,
    ...(controlled && {
      length_controlled_winrate: controlled.winRate,
      lc_standard_error: controlled.standardError,
    }),
    ...(elsewhere !== undefined && { length_controlled_winrate_by_position: elsewhere }),
    ...(intervals && { win_rate_interval: intervals.raw }),
    ...(intervals?.lengthControlled && { length_controlled_winrate_interval: intervals.lengthControlled }),
    ...(file.protocol !== undefined && { protocol: file.protocol }),
    ...(file.flips !== undefined && { flips: file.flips }),
    ...(ladder !== undefined && { ladder }),
    ...(controlled && { regularisation: controlled.regularisation ?? null, weights: controlled.weights }),
    warnings: [
      ...protocolWarnings(file),
      ...fitWarnings(controlled, hasNoWidth),
      ...warningsOf(data, raw.winRate, controlled?.winRate, elsewhere),
    ],
  }
}

/** Undefined where the verdicts are too few to control length. */
function fittedOrNone(data: LengthData, regularisation: number | undefined): LengthControlled | undefined {
  try {
    return lengthControlled(data, regularisation)
  } catch (error) {
    if (error instanceof LengthNotControlled) return undefined
    throw error
  }
}

/** Of a fit that says nothing; one at a C that was given is shown all the same. */
function fitWarnings(controlled: LengthControlled | undefined, hasNoWidth: boolean): string[] {
  if (controlled === undefined) return [new LengthNotControlled().message]
  const { regularisation, weights } = controlled
  if (regularisation === undefined || !(hasNoWidth || saysNothing(weights))) return []
  const fault = saysNothing(weights) ? "holds every weight at 0" : "gives one rate whatever instructions are drawn"
  return [
    `the fit at the given C of ${regularisation} ${fault}, and says nothing of length: give a larger --regularisation, or take the raw rate`,
  ]
}

function byPosition(annotations: readonly Annotation[]): Annotation[] {
  return annotations.map((annotation, position) => ({ ...annotation, instruction: position }))
}

/** The win rate at equal lengths with difficulties joined by position; undefined where that is by instruction. */
function winRateByPosition(data: LengthData, regularisation: number | undefined): number | undefined {
  const isByPosition = data.annotations.every(({ instruction }, position) => instruction === position)
  if (data.difficulties === undefined || isByPosition) return undefined
  return fittedOrNone({ ...data, annotations: byPosition(data.annotations) }, regularisation)?.winRate
}

function refuseTooFew(annotations: readonly Annotation[], instructions: number, leastJudged: number): void {
  const judged = annotations.filter(isJudged).length
  const wanted = Math.max(annotations.length, instructions)
  if (judged > 0 && judged >= leastJudged * wanted) return
  throw new TooLittleJudged(
    `holds a preference for ${judged} of ${wanted} pairs of answers, fewer than ${100 * leastJudged} %; a win rate of what was judged by chance is none ` +
      "of the whole: judge the rest, or say with --least-judged how few are enough",
  )
}

function refuseUnknownInstructions(
  file: AnnotationFile,
  annotations: readonly Annotation[],
  { gamed, difficulties, joinsByPosition = false }: ReportOptions,
): void {
  if (difficulties === undefined) return
  const known = difficulties.length
  if (!file.namesInstructions && !joinsByPosition && annotations.length !== known) {
    throw new UnusableJudgements(
      `has ${annotations.length} rows that do not say by "i" which of the ${known} instructions theirs is; give "i", or leave --difficulty away for ` +
        "instructions of your own",
    )
  }
  const foreign = [...annotations, ...gamed].find(({ instruction }) => instruction >= known)
  if (foreign === undefined) return
  throw new UnusableJudgements(
    `names instruction ${foreign.instruction}, and there are difficulties for ${known}; leave --difficulty away for instructions of your own`,
  )
}

const OF_TWO_ORDERS = "the judge's words in both orders, a contradiction as a draw, and not its log-probs in one"
const OF_A_REWARD = "the own reward of a tuned model, and not a judge's"
const OTHER_PROTOCOLS: Readonly<Record<string, string>> = {
  text: OF_TWO_ORDERS,
  "implicit-reward": OF_A_REWARD,
  "reward-model": "the rewards of a model with a scalar head",
  jury: "those of several judges in the mean",
  ladder: "those of a ladder of judges, each asked where those before were undecided",
}

/** AlpacaEval's own protocol is log-probs. */
function protocolWarnings({ protocol, flips }: AnnotationFile): string[] {
  if (protocol === undefined || !Object.hasOwn(OTHER_PROTOCOLS, protocol)) return []
  const contradictions =
    flips === undefined ? "" : `; it contradicts itself on ${(100 * flips).toFixed(1)} % of the pairs`
  return [
    `verdicts are ${OTHER_PROTOCOLS[protocol]} (${protocol}): compare the rate only with others of this protocol${contradictions}`,
  ]
}

/** What keeps the numbers from being taken at their word. */
function warningsOf(
  { annotations, difficulties, gamed }: LengthData,
  raw: number,
  controlled: number | undefined,
  elsewhere: number | undefined,
): string[] {
  const [first] = annotations
  const isConstant =
    annotations.length > 1 &&
    annotations.every(({ modelLength }) => modelLength === first!.modelLength) &&
    annotations.some(({ baselineLength }) => baselineLength !== first!.baselineLength)
  return [
    ...(controlled !== undefined && isFarFromRaw(controlled, raw)
      ? [
          `length control moved the win rate from ${raw.toFixed(1)} to ${controlled.toFixed(1)} %: look whether judge and baseline are those that are meant`,
        ]
      : []),
    ...(elsewhere === undefined
      ? []
      : [
          `the rows are not all instructions in their order: difficulties are joined by instruction; alpaca_eval joins them by position, and says ` +
            `${elsewhere.toFixed(2)} % (--by-position)`,
        ]),
    ...(isConstant
      ? [
          `all answers of the model have ${first!.modelLength} characters: one constant answer that talks to the judge once got 86 %; read some`,
        ]
      : []),
    ...(difficulties === undefined && gamed.length === 0
      ? [
          "without --gamed and --difficulty length can hardly be told from quality where most answers are short: look at the raw win rate too",
        ]
      : []),
  ]
}
