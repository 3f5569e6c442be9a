// What a demo session reports: to people as text, to programs as one JSON object.
import { percent } from "#gpu-runner/trainer/quantities.ts"
import type { Run } from "#shared/domain/Run.ts"
import { blocks, type GateResult } from "#shared/gates/GateResult.ts"
import { type CountedRate, METHODS, type Method, type SuiteAnswers } from "./suite-verdicts.ts"
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
  /** What base and adapters answer to the suite, held against each other. */
  readonly answers: SuiteAnswers
  /** What each gate said of α-DPO's adapter, with its value. */
  readonly gates: readonly GateResult[]
  readonly promoted: { readonly name: string; readonly version: number; readonly digest: string } | null
  readonly deliveries: DeliveryCounts
}

export interface Outcome {
  readonly alphaDpo: Run
  readonly simpo: Run | undefined
  readonly dpo: Run | undefined
}

const NAMES: Readonly<Record<Method, string>> = { alphaDpo: "α-DPO", simpo: "SimPO", dpo: "DPO" }

const withInterval = (share: number, low: number, high: number): string =>
  `${percent(share)} (95 % interval ${percent(low)} to ${percent(high)})`

const accuracyLine = (method: Method, run: Run | undefined): string[] => {
  if (run?.detail.evaluate === undefined) return []
  const { accuracy, accuracyLow, accuracyHigh } = run.detail.evaluate
  return [`    ${NAMES[method].padEnd(8)} ${withInterval(accuracy, accuracyLow, accuracyHigh)}`]
}

const rateIn = (rate: CountedRate | null): string | undefined =>
  rate === null ? undefined : withInterval(rate.rate, rate.low, rate.high)

const answerLines = ({ prompts, maxTokens, toThePoint, byRule, byJudge }: SuiteAnswers): string[] => [
  `  Answers to the suite's ${prompts} prompts, in ${maxTokens} tokens at most:`,
  `    base     to the point in ${toThePoint.base}`,
  ...METHODS.flatMap((method) => {
    const [ruled, judged] = [rateIn(byRule[method]), rateIn(byJudge[method])]
    if (ruled === undefined) return []
    return [
      `    ${NAMES[method].padEnd(8)} to the point in ${toThePoint[method]}, better than the base's in ${ruled}`,
      ...(judged === undefined ? [] : [`             and in ${judged} to ${byJudge.judge}'s taste`]),
    ]
  }),
  "    Better: to the point first, then by the labellers' rule. The taste is learnt from the same labels, and proves nothing.",
]

const gateLine = (gate: GateResult): string => {
  const said = gate.passed ? "passed" : blocks(gate) ? "closed" : "warns"
  return `    ${said.padEnd(8)} ${gate.gate}: ${gate.explanation}`
}

/** The report for people. */
export const reportText = (report: DemoReport, { alphaDpo, simpo, dpo }: Outcome): string => {
  const { evaluate, snapshot } = alphaDpo.detail
  return [
    "",
    `  Done in ${report.durationSeconds.toFixed(0)} s.`,
    `  Pairs        ${report.pairs.accepted} accepted (${snapshot?.trainPairs} to train, ${snapshot?.heldOutPairs} held out), ${report.pairs.rejected} deliveries rejected`,
    `  Reference    ${report.reference.computed} responses computed, ${report.reference.fromCache} from the cache, ${report.reference.sessionsOpened} ONNX sessions opened since the model was registered`,
    `  Held-out pair accuracy (${evaluate?.pairs} pairs):`,
    `    base     ${percent(report.accuracy.base)}`,
    ...METHODS.flatMap((method) => accuracyLine(method, { alphaDpo, simpo, dpo }[method])),
    ...answerLines(report.answers),
    report.promoted === null
      ? "  Promoted     nothing: a gate said no"
      : `  Promoted     ${report.promoted.name}@${report.promoted.version} (${report.promoted.digest.slice(0, 16)}…), drift ${evaluate?.driftPerToken.toFixed(3)} nats per token`,
    "  Gates",
    ...report.gates.map(gateLine),
    "",
  ].join("\n")
}
