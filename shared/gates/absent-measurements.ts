// Measurements that not every run has, and what a gate says that a dataset declared on one that is not there: closed where the data is
// missing that it asks for, passed where what it compares with does not exist yet, because else no first adapter were ever promoted.
import type { Measured, MeasurementName, NothingToCompare } from "./measurements.ts"
import { FEWEST_PAIRS } from "./pair-measurements.ts"

const NO_PRODUCTION: NothingToCompare = {
  nothingYet: "production serves nothing that was trained from this base",
}
const NO_OLD_PAIRS: NothingToCompare = {
  nothingYet: `fewer than ${FEWEST_PAIRS} of the held-out pairs were there at an earlier run of the dataset`,
}
const NO_SETTING: Measured = {
  missing: `no work setting has ${FEWEST_PAIRS} held-out pairs; comparisons need \`task\`, which names theirs`,
}
const NO_LANGUAGE: Measured = {
  missing: `no writing system has ${FEWEST_PAIRS} held-out prompts, or the runner that evaluated the adapter told none; send more comparisons, or update the runner`,
}
const NO_SHORT_CHOSEN: Measured = {
  missing: `of fewer than ${FEWEST_PAIRS} held-out pairs is the chosen response the shorter one; send more comparisons`,
}

type Absence = Measured | NothingToCompare
type AbsenceOf = (hasProduction: boolean) => Absence

const orNoProduction =
  (absence: Absence): AbsenceOf =>
  (hasProduction) =>
    hasProduction ? absence : NO_PRODUCTION

const ABSENCES: Readonly<Partial<Record<MeasurementName, AbsenceOf>>> = {
  "worst-setting-gain": () => NO_SETTING,
  "worst-language-gain": () => NO_LANGUAGE,
  "short-chosen-gain": () => NO_SHORT_CHOSEN,
  "lead-over-production": () => NO_PRODUCTION,
  "worst-setting-lead": orNoProduction(NO_SETTING),
  "worst-language-lead": orNoProduction(NO_LANGUAGE),
  "old-pairs-gain": () => NO_OLD_PAIRS,
  "old-pairs-lead": orNoProduction(NO_OLD_PAIRS),
  "old-pairs-change": orNoProduction(NO_OLD_PAIRS),
  "taken-back": () => ({ value: 0, said: "none of the pack's pairs was taken back while it was trained on" }),
}

/** What is said of a measurement that a run may do without; undefined of one that every run has. */
export const absenceOf = (name: MeasurementName, hasProduction: boolean): Absence | undefined =>
  ABSENCES[name]?.(hasProduction)
