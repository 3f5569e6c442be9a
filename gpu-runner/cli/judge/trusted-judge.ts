// Whether a judge may judge: what people's votes said of it, in a file that the suite calibration left, is held against the bar before anything is asked.
import { statSync } from "node:fs"
import path from "node:path"
import { JudgeUnusable } from "#gpu-runner/client/judge/judge-endpoint.ts"
import { belowBar, calibrate } from "#shared/evaluation/calibration/calibrate.ts"
import { readVotesFile, type VotesFile } from "#shared/evaluation/calibration/votes-file.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { type Terminal, UsageError } from "../command.ts"
import { text } from "../options.ts"
import { barOf } from "./calibration.ts"
import { readNamed, type SuiteValues, told } from "./suite.ts"
import { ANNOTATIONS_FILE, type JudgedAlike, templateDigest } from "./verdicts.ts"

export const trustOptions = {
  calibration: text(
    "DIR",
    "--out of --suite calibration: the judge is refused where it was below the bar, or where another was measured",
  ),
} as const

/** Throws UsageError where another judge was measured, JudgeUnusable where this one is below the bar. */
export function refuseUntrusted(values: SuiteValues, asked: JudgedAlike, { tell }: Pick<Terminal, "tell">): void {
  const { calibration } = values
  if (typeof calibration !== "string") return
  const isFolder = statSync(calibration, { throwIfNoEntry: false })?.isDirectory() ?? false
  const file = isFolder ? path.join(calibration, ANNOTATIONS_FILE) : calibration
  const votes = readNamed("calibration", file, readVotesFile)
  const other = differenceBetween(votes, asked)
  if (other !== undefined) {
    throw new UsageError(`--calibration ${calibration} ${other}; measure this one: --suite calibration --data`)
  }
  const measured = told(file, () => calibrate(votes.pairs))
  const refusal = belowBar(measured, barOf(values))
  if (refusal !== undefined) throw new JudgeUnusable(`${asked.judge}: ${refusal}`, { isOfKey: false })
  tell(
    `${asked.judge} goes with people at ${(100 * measured.agreement).toFixed(1)} %, by ${measured.pairs} pairs in ${file}`,
  )
}

/** How another judge was measured than is to judge, as a sentence goes on; undefined where it is the same. */
function differenceBetween({ judge, askedAs }: VotesFile, asked: JudgedAlike): string | undefined {
  if (askedAs === undefined) return "does not say how its judge was asked"
  // A folder on this machine may have another name by now; its digest is in the parameters.
  if (asked.template.length > 0 && judge !== asked.judge) return `is of ${judge}, and ${asked.judge} is to judge`
  if (askedAs.protocol !== asked.protocol)
    return `is of verdicts by ${askedAs.protocol}, and ${asked.protocol} is to be asked for`
  if (canonicalJson(askedAs.parameters) !== canonicalJson(asked.parameters))
    return `is of the parameters ${JSON.stringify(askedAs.parameters)}, and ${JSON.stringify(asked.parameters)} are to be used`
  return askedAs.template === templateDigest(asked.template) ? undefined : "is of another --prompt"
}
