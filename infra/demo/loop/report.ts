// What a demo session reports: to people as text, to programs as one JSON object.
import { percent } from "#gpu-runner/trainer/quantities.ts"
import type { Run } from "#shared/domain/Run.ts"
import { blocks, type GateResult } from "#shared/gates/GateResult.ts"
import type { DeliveryCounts } from "./traffic.ts"

export interface DemoReport {
  readonly durationSeconds: number
  readonly pairs: { readonly accepted: number; readonly rejected: number }
  /** Reference log-probs of whole responses: computed in this session, or found in KV from before. */
  readonly reference: { readonly computed: number; readonly fromCache: number; readonly sessionsOpened: number }
  /** Held-out pair accuracy, 0 to 1. A method that did not run is null. */
  readonly accuracy: {
    readonly base: number
    readonly alphaDpo: number
    readonly simpo: number | null
    readonly dpo: number | null
  }
  readonly promoted: { readonly name: string; readonly version: number; readonly digest: string } | null
  readonly deliveries: DeliveryCounts
}

export interface Outcome {
  readonly alphaDpo: Run
  readonly simpo: Run | undefined
  readonly dpo: Run | undefined
}

const interval = (run: Run): string => {
  const { accuracyLow, accuracyHigh } = run.detail.evaluate!
  return `(95 % interval ${percent(accuracyLow)} to ${percent(accuracyHigh)})`
}

const methodLine = (name: string, run: Run | undefined): string[] =>
  run?.detail.evaluate === undefined
    ? []
    : [`    ${name.padEnd(8)} ${percent(run.detail.evaluate.accuracy)} ${interval(run)}`]

/** The report for people. */
export const reportText = (report: DemoReport, { alphaDpo, simpo, dpo }: Outcome): string => {
  const { evaluate, promote, snapshot } = alphaDpo.detail
  const gatesThat = (isAsked: (gate: GateResult) => boolean) =>
    (promote?.gates ?? []).filter(isAsked).map((gate) => `    ${gate.gate}: ${gate.explanation}`)
  const warnings = gatesThat((gate) => !gate.passed && !blocks(gate))
  return [
    "",
    `  Done in ${report.durationSeconds.toFixed(0)} s.`,
    `  Pairs        ${report.pairs.accepted} accepted (${snapshot?.trainPairs} to train, ${snapshot?.heldOutPairs} held out), ${report.pairs.rejected} deliveries rejected`,
    `  Reference    ${report.reference.computed} responses computed, ${report.reference.fromCache} from the cache, ${report.reference.sessionsOpened} ONNX sessions opened since the model was registered`,
    `  Held-out pair accuracy (${evaluate?.pairs} pairs):`,
    `    base     ${percent(report.accuracy.base)}`,
    ...methodLine("α-DPO", alphaDpo),
    ...methodLine("SimPO", simpo),
    ...methodLine("DPO", dpo),
    report.promoted === null
      ? "  Promoted     nothing: a gate said no"
      : `  Promoted     ${report.promoted.name}@${report.promoted.version} (${report.promoted.digest.slice(0, 16)}…), drift ${evaluate?.driftPerToken.toFixed(3)} nats per token`,
    ...(report.promoted === null ? gatesThat(blocks) : []),
    ...(warnings.length === 0 ? [] : ["  Warnings", ...warnings]),
    "",
  ].join("\n")
}
