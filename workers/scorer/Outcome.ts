// What the scorer reads of a comparison and its dataset, and what it makes of it.
import type { PromptForm, ReferencePlace } from "#shared/domain/Dataset.ts"
import type { Files } from "#shared/domain/Files.ts"
import type { Split } from "#shared/wire/pair-identity.ts"
import type { PairTokens } from "#shared/wire/pair-tokens.ts"

export interface Arrival {
  readonly comparisonId: string
  readonly datasetId: string
  readonly task: string | null
  readonly status: string
  readonly payloadDigest: string
  readonly payloadLine: number
  /** False once the outbox row is gone: everything about this comparison is done. */
  readonly isPending: boolean
}

export interface Reference {
  readonly datasetId: string
  readonly maxLength: number
  /** Tells the dataset from an earlier one of its id. */
  readonly createdAt: number
  /** Absent: chat where the model has a chat template, else text. */
  readonly promptForm?: PromptForm | undefined
  readonly systemText?: string | undefined
  /** Where log-probs are computed: pairs of runners' are tokenised here and no more. */
  readonly place: ReferencePlace
  readonly files: Files
}

/** A row of `pairs`, as it is written. */
export interface PairRow {
  readonly id: string
  readonly status: "ready" | "dropped"
  readonly reason: string | null
  readonly weight: number
  readonly split: Split
  readonly tokenizerDigest: string
  /** Candidates of the comparison. */
  readonly chosenId: string
  readonly rejectedId: string
  /** 1 or -1 of a verdict: its response is desirable, or not. */
  readonly side?: 1 | -1
  /** Of a verdict: what names its prompt. */
  readonly promptDigest?: string
  /** Absent when dropped. */
  readonly tokens?: NamedPairTokens
}

export interface NamedPairTokens extends PairTokens {
  /** What the records of its responses are named by. */
  readonly chosenDigest: string
  readonly rejectedDigest: string
}

export interface Outcome {
  readonly arrival: Arrival
  readonly status: "paired" | "dropped"
  readonly reason: string | null
  readonly pairs: readonly PairRow[]
}
