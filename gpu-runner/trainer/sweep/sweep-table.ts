// What a sweep found: for every group of cells the mean and 95 % interval over its seeds, as JSON and as Markdown.
import { percent } from "../quantities.ts"
import { type MeanInterval, meanInterval } from "./mean-interval.ts"
import type { SweepGroup } from "./sweep-plan.ts"

export interface CellResult {
  readonly name: string
  readonly group: SweepGroup
  readonly seed: number
  /** Held-out accuracy of the base and of the tuned model. */
  readonly accuracyBefore: number
  readonly accuracy: number
  /** The method's own loss on the held-out pairs; not comparable between methods. */
  readonly loss: number
  /** Estimate of KL(reference ‖ policy) on the held-out pairs, nats per token. */
  readonly klPerToken: number | null
  readonly steps: number
  readonly durationSeconds: number
}

export interface GroupResult extends SweepGroup {
  readonly seeds: readonly number[]
  readonly accuracy: MeanInterval
  readonly loss: MeanInterval
  readonly klPerToken: MeanInterval | null
}

/** Groups in the order in which they first appear. */
export function groupResults(cells: readonly CellResult[]): GroupResult[] {
  const groups = new Map<string, CellResult[]>()
  for (const cell of cells) {
    const key = JSON.stringify(cell.group)
    groups.set(key, [...(groups.get(key) ?? []), cell])
  }
  return [...groups.values()].map((members) => {
    const divergences = members.flatMap(({ klPerToken }) => (klPerToken === null ? [] : [klPerToken]))
    return {
      ...members[0]!.group,
      seeds: members.map(({ seed }) => seed),
      accuracy: meanInterval(members.map(({ accuracy }) => accuracy)),
      loss: meanInterval(members.map(({ loss }) => loss)),
      klPerToken: divergences.length === members.length ? meanInterval(divergences) : null,
    }
  })
}

/** Two tables, rows of methods and columns of noise: accuracy in percent, and KL in nats per token. */
export function sweepMarkdown(cells: readonly CellResult[], heldOutPairs: number): string {
  const groups = groupResults(cells)
  const seeds = [...new Set(cells.map(({ seed }) => seed))].sort((a, b) => a - b)
  const base = cells[0] ? percent(cells[0].accuracyBefore) : "–"
  const accuracies = ({ accuracy }: GroupResult) => interval(accuracy, 100, 1)
  const divergences = ({ klPerToken }: GroupResult) => (klPerToken ? interval(klPerToken, 1, 3) : "–")
  return [
    `Mean and 95 % interval (Student's t) over seeds ${seeds.join(", ")}; ${heldOutPairs} held-out pairs; the base model is at ${base}.`,
    "",
    "Held-out accuracy in percent:",
    "",
    ...table(groups, accuracies),
    "",
    "KL(reference ‖ policy) on the held-out pairs, an estimate, nats per token:",
    "",
    ...table(groups, divergences),
    "",
  ].join("\n")
}

function table(groups: readonly GroupResult[], shown: (group: GroupResult) => string): string[] {
  const noises = [...new Set(groups.map(({ noise }) => noise))]
  const rows = new Map<string, Map<number, string>>()
  for (const group of groups) {
    const label = [
      group.method,
      ...Object.entries(group.varied).map(([key, value]) => `${key} ${JSON.stringify(value)}`),
    ]
    const row = rows.get(label.join(", ")) ?? new Map<number, string>()
    rows.set(label.join(", "), row.set(group.noise, shown(group)))
  }
  const line = (entries: readonly string[]) => `| ${entries.join(" | ")} |`
  return [
    line(["method", ...noises.map((noise) => `label noise ${Number((100 * noise).toPrecision(6))} %`)]),
    line(["---", ...noises.map(() => "---")]),
    ...[...rows].map(([label, row]) => line([label, ...noises.map((noise) => row.get(noise) ?? "–")])),
  ]
}

function interval({ mean, halfWidth }: MeanInterval, scale: number, digits: number): string {
  const middle = (scale * mean).toFixed(digits).replace(/^-(?=[0.]*$)/, "")
  return halfWidth === null ? middle : `${middle} ± ${(scale * halfWidth).toFixed(digits)}`
}
