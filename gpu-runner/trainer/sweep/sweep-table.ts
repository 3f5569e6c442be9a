// What a sweep found: for every group of cells the mean and 95 % interval over its seeds, as JSON and as Markdown. Methods are
// compared seed by seed: at one seed and noise they see the same pairs in the same order, so differences say more than two intervals.

import { type MeanInterval, meanInterval } from "#shared/evaluation/statistics/mean-interval.ts"
import { percent } from "../quantities.ts"
import type { SweepGroup } from "./sweep-cells.ts"

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

export interface MethodDifference {
  /** "alpha-dpo − simpo", with what is varied. */
  readonly methods: string
  readonly noise: number
  /** Of held-out accuracy, over the seeds that both methods have. */
  readonly accuracy: MeanInterval
}

/** Every two rows of the table, compared seed by seed at each noise that both have. */
export function methodDifferences(cells: readonly CellResult[]): MethodDifference[] {
  const bySeed = new Map<string, Map<number, Map<number, number>>>()
  for (const { group, seed, accuracy } of cells) {
    const byNoise = bySeed.get(rowLabel(group)) ?? new Map<number, Map<number, number>>()
    const accuracies = byNoise.get(group.noise) ?? new Map<number, number>()
    bySeed.set(rowLabel(group), byNoise.set(group.noise, accuracies.set(seed, accuracy)))
  }
  const rows = [...bySeed]
  return rows.flatMap(([left, leftByNoise], index) =>
    rows.slice(index + 1).flatMap(([right, rightByNoise]) =>
      [...leftByNoise].flatMap(([noise, accuracies]) => {
        const others = rightByNoise.get(noise)
        const paired = [...accuracies].flatMap(([seed, value]) =>
          others?.has(seed) ? [value - others.get(seed)!] : [],
        )
        return paired.length === 0 ? [] : [{ methods: `${left} − ${right}`, noise, accuracy: meanInterval(paired) }]
      }),
    ),
  )
}

function rowLabel({ method, varied }: Pick<SweepGroup, "method" | "varied">): string {
  return [method, ...Object.entries(varied).map(([key, value]) => `${key} ${JSON.stringify(value)}`)].join(", ")
}

/** Tables, rows of methods and columns of noise: accuracy in percent, its differences between methods in points, and KL in nats per token. */
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
    ...table(groups.map((group) => ({ label: rowLabel(group), noise: group.noise, text: accuracies(group) }))),
    ...differenceTable(methodDifferences(cells)),
    "",
    "KL(reference ‖ policy) on the held-out pairs, an estimate, nats per token:",
    "",
    ...table(groups.map((group) => ({ label: rowLabel(group), noise: group.noise, text: divergences(group) }))),
    "",
  ].join("\n")
}

/** Nothing where no two methods share a seed and a noise. */
function differenceTable(differences: readonly MethodDifference[]): string[] {
  if (differences.length === 0) return []
  const shown = differences.map(({ methods, noise, accuracy }) => ({
    label: methods,
    noise,
    text: interval(accuracy, 100, 1),
  }))
  return ["", "Difference of held-out accuracy, seed by seed, in points:", "", ...table(shown)]
}

function table(shown: readonly { readonly label: string; readonly noise: number; readonly text: string }[]): string[] {
  const noises = [...new Set(shown.map(({ noise }) => noise))]
  const rows = new Map<string, Map<number, string>>()
  for (const { label, noise, text } of shown) rows.set(label, (rows.get(label) ?? new Map()).set(noise, text))
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
