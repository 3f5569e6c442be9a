// One record of a data source: where it stands, and what it states or why it was left out.
import type { PreferenceRecord } from "#shared/judgement/preference-rows.ts"
import type { SupervisedRow } from "./supervised-rows.ts"

/** Where a record stands. */
export interface Place {
  readonly file: string
  /** Of a row in an array or a Parquet table its number; counted from 1. */
  readonly line: number
  /** Counted from 1 over the whole source. */
  readonly row: number
}

export interface DroppedRow extends Place {
  readonly reason: string
  /** Says what is wrong and the mend, where more is known than the reason. */
  readonly detail?: string | undefined
}

export interface StatedRecord extends Place {
  readonly stated: PreferenceRecord | { readonly supervised: SupervisedRow; readonly unread: readonly string[] }
}
