// What a method is: everything that the configuration, the loss, the trainer, the help and the documentation know of it, in one definition.
// A method is one file of this folder, named like it, that exports its definition; DESIGN.md says how to add one.
import type { GapNormaliser, GapStatistics, NormalisedGaps } from "./gap-statistics.ts"
import type { MethodOption, OptionValues } from "./option.ts"
import type { BetaRange, besidePairs, beta } from "./options.ts"
import type { PairDirection, ResponseLengths } from "./pair-direction.ts"
import type { PairLogProbs, PairLoss, Reduction } from "./pair-log-probs.ts"

export type SharedOption = typeof beta | (typeof besidePairs)[number]

/** The values that a method's functions are given: its own options, and those of every method. */
type ValuesOf<Own extends MethodOption> = OptionValues<Own | SharedOption>

/** What an option needs of the others, in code and in words: a value of another's, or that one is left out, whose place it takes. */
export type Condition<Options> = { readonly holds: (options: Partial<Options>) => boolean } & (
  | { readonly needs: string; readonly insteadOf?: never }
  | { readonly insteadOf: string; readonly needs?: never }
)

/** What the whole step says about its pairs, constants to the gradient: z of α-DPO, kl of KTO. */
export interface StepConstants {
  /** One for each pair, as the loss gets it. */
  readonly constants: readonly number[]
  readonly gaps?: NormalisedGaps
  /** Nats. */
  readonly kl?: number
}

/** Of a step that was taken, what a method may log. */
export interface LoggedStep {
  readonly losses: readonly PairLoss[]
  readonly normaliser: GapNormaliser | undefined
  /** Gaps that were not finite. */
  readonly excludedGaps: number
}

/** A row of docs/training.md's table of names: there, here, defaults there → here. */
export type RowElsewhere = readonly [there: string, here: string, differences: string]

interface AnyMethod<Name extends string> {
  readonly name: Name
  /** As its paper writes it. */
  readonly title: string
  /** As the table of the methods in docs/training.md has them. */
  readonly docs: {
    /** u of the logistic loss, or L itself. */
    readonly formula: string
    /** In place of the reduction's name. */
    readonly logProbs?: string
    readonly reward: string
    readonly reducesTo: string
    readonly source: string
  }
  readonly elsewhere?: {
    readonly rows?: readonly RowElsewhere[]
    /** Keys of other trainers and what does it here. */
    readonly keys?: Readonly<Record<string, string>>
    /** Names of losses elsewhere, and what is that loss here. */
    readonly losses?: Readonly<Record<string, string>>
  }
  /** Where it is not that of preference methods. */
  readonly learningRate?: { readonly lora: number; readonly full: number }
}

export interface PreferenceMethodDefinition<Name extends string, Own extends MethodOption, Options>
  extends AnyMethod<Name> {
  /** What it judges: pairs, or single completions with labels. */
  readonly rows: "pairs" | "unpaired"
  /** What the loss is a function of. */
  readonly reduction: Reduction | ((options: Options) => Reduction)
  readonly beta: BetaRange
  /** The options that it reads besides β, and those beside pairs. */
  readonly options: readonly Own[]
  /** Where they are not the options' own. */
  readonly defaults?: Partial<Options>
  /** Options that another option may rule out. */
  readonly conditions?: { readonly [Key in Own["key"]]?: readonly Condition<Options>[] }
  /** What the loss reads of the reference: the model itself is needed where it reads whole distributions. */
  readonly reference: "none" | "sums" | "tokens" | "model"
  /** Options that make it read no reference after all. */
  readonly noReference?: { readonly holds: (options: Partial<Options>) => boolean; readonly when: string }
  /** `stepConstant` is this pair's of `step`, 0 without. Errors: ReferenceMissing, ScoresMissing. */
  readonly loss: (pair: PairLogProbs, options: Options, stepConstant: number) => PairLoss
  /**
   * The loss at a fixed step constant, where `loss` is measured against the step's own pairs: what compares steps and evaluations, and falls
   * as the policy learns. Undefined where these options make it the loss itself.
   */
  readonly comparableLoss?: (pair: PairLogProbs, options: Options) => number | undefined
  /** See pair-direction.ts; absent where the factors of chosen and rejected depend on each response's probability. */
  readonly direction?: (lengths: ResponseLengths, options: Options) => PairDirection
  /** Undefined where these options need none. */
  readonly step?: (
    pairs: readonly PairLogProbs[],
    options: Options,
    statistics: GapStatistics,
  ) => StepConstants | undefined
  /** What a step logs besides what every method logs. */
  readonly metrics?: (step: LoggedStep, options: Partial<Options>) => Readonly<Record<string, number>>
}

/** A weight rule on single responses, without comparison, β and options. */
export interface SupervisedMethodDefinition<Name extends string> extends AnyMethod<Name> {
  readonly rows: "responses"
}

/** A preference method with its name and options as types. */
export function defineMethod<const Name extends string, Own extends MethodOption = never>(
  definition: PreferenceMethodDefinition<Name, Own, ValuesOf<Own>>,
): PreferenceMethodDefinition<Name, Own, ValuesOf<Own>> {
  return definition
}

export function defineSupervisedMethod<const Name extends string>(
  definition: SupervisedMethodDefinition<Name>,
): SupervisedMethodDefinition<Name> {
  return definition
}
