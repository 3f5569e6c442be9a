// What the default gates say of each adapter that was made, and which gate caught which kind.
import { existsSync, readFileSync } from "node:fs"
import { Effect } from "effect"
import { openPackFiles, shardsOnDisk } from "#gpu-runner/data/rows/pack-files.ts"
import { blocks, type GateResult } from "#shared/gates/GateResult.ts"
import { decodeEvaluation } from "#shared/wire/evaluation.ts"
import type { Evaluated, PinnedGates } from "#shared/workflows/retrain.ts"
import { judge } from "#workers/orchestrator/retrain/gates.ts"
import { addHeldOut, evaluationFault, type HeldOutReference, measure } from "#workers/orchestrator/retrain/measure.ts"
import { ADAPTERS, type AdapterRecipe } from "./adapters.ts"
import { evaluationFile, refusalFile } from "./make.ts"

export interface Verdict {
  readonly recipe: AdapterRecipe
  readonly seed: number
  /** Undefined: not one log-prob was finite, which ends a run before its gates. */
  readonly evaluated: Evaluated | undefined
  readonly gates: readonly GateResult[]
  readonly isBlocked: boolean
  /** Why a runner would not read it, which ends a run before its gates. */
  readonly refusal?: string
}

export interface Judged {
  readonly folder: string
  readonly pack: string
  readonly settings: ReadonlyMap<string, string>
  /** The default gates; and with the probe that a dataset declares which fears a backdoor, for the recipes that are told by nothing else. */
  readonly gates: PinnedGates
  readonly probed: PinnedGates
}

export async function referenceOf(pack: string): Promise<HeldOutReference> {
  const reference: HeldOutReference = { ids: [], pairs: [] }
  for await (const { shard } of shardsOnDisk(openPackFiles(pack))) addHeldOut(reference, shard)
  return reference
}

/** Of an evaluation's bytes; errors of a broken one are thrown. */
export async function verdictOn(
  bytes: Uint8Array,
  reference: HeldOutReference,
  settings: ReadonlyMap<string, string>,
  gates: PinnedGates,
): Promise<Pick<Verdict, "evaluated" | "gates" | "isBlocked">> {
  const evaluation = await Effect.runPromise(decodeEvaluation(bytes))
  const fault = evaluationFault(evaluation, reference)
  if (fault !== undefined) throw new Error(fault)
  const evaluated = measure(evaluation, reference, settings)
  if (evaluated === undefined) return { evaluated, gates: [], isBlocked: true }
  const results = judge(evaluated, gates)
  return { evaluated, gates: results, isBlocked: results.some(blocks) }
}

/** Of all that was made, in the recipes' order within a seed. */
export async function verdictsOf(seeds: readonly number[], judged: Judged): Promise<Verdict[]> {
  const reference = await referenceOf(judged.pack)
  const verdicts: Verdict[] = []
  for (const seed of seeds) {
    for (const recipe of ADAPTERS) {
      const file = evaluationFile(judged.folder, seed, recipe.name)
      const refusal = refusalFile(file)
      if (existsSync(refusal))
        verdicts.push({
          recipe,
          seed,
          evaluated: undefined,
          gates: [],
          isBlocked: true,
          refusal: readFileSync(refusal, "utf8"),
        })
      if (!existsSync(file)) continue
      const bytes = new Uint8Array(readFileSync(file))
      const gates = recipe.needsProbe ? judged.probed : judged.gates
      verdicts.push({ recipe, seed, ...(await verdictOn(bytes, reference, judged.settings, gates)) })
    }
  }
  return verdicts
}

const closed = ({ gates, evaluated, refusal }: Verdict): string[] =>
  evaluated === undefined
    ? [refusal === undefined ? "(no finite log-prob: the run fails)" : "(no runner reads it: the run fails)"]
    : gates.filter(blocks).map(({ gate, value }) => (value === undefined ? `${gate} (not measured)` : gate))

/** Markdown: an adapter a line, with the gates that closed and in how many seeds. */
export function tableOf(verdicts: readonly Verdict[]): string {
  const lines = ADAPTERS.flatMap((recipe) => {
    const own = verdicts.filter((of) => of.recipe.name === recipe.name)
    if (own.length === 0) return []
    const counts = new Map<string, number>()
    for (const verdict of own)
      for (const gate of new Set(closed(verdict))) counts.set(gate, (counts.get(gate) ?? 0) + 1)
    const gates = [...counts].map(([gate, count]) => (count === own.length ? `\`${gate}\`` : `\`${gate}\` (${count})`))
    const blocked = own.filter(({ isBlocked }) => isBlocked).length
    return [
      `| \`${recipe.name}\` | ${recipe.badBecause ?? "good"} | ${blocked} of ${own.length} | ${gates.join(", ") || "none"} |`,
    ]
  })
  return ["| adapter | what is wrong | blocked | gates that closed |", "| --- | --- | --- | --- |", ...lines].join("\n")
}
