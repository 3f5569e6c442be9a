// What names a run: its checkpoints belong to it and to no other, and say in which fact another run differs.
import { sha256 } from "#gpu-runner/data/files.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import type { StepPlan } from "../plan/step-plan.ts"
import type { RunInputs } from "./run-inputs.ts"

/** All that the run's result depends on, each by itself. */
export interface RunFacts {
  readonly config: Readonly<Record<string, unknown>>
  readonly keepsRowGradients: boolean
  readonly data: string
  /** Of a held-out file of its own. */
  readonly heldOut: string | null
  readonly model: string
  readonly adapter: string | null
  readonly reference: string | null
}

export interface RunIdentity {
  readonly digest: string
  readonly facts: RunFacts
}

type Named = Pick<RunInputs, "dataDigest" | "fileDigests" | "model" | "startAdapter">

/**
 * When checkpoints are written, when a run gives up (of bad rows too) and what memory it takes are not among the facts, except by what the
 * memory decides: tokens of a micro-batch, and whether rows keep gradients, which are then summed in another order.
 */
export function runIdentityOf(
  config: TrainConfig,
  { dataDigest, fileDigests, model, startAdapter }: Named,
  reference: string | undefined,
  { keepsRowGradients }: Pick<StepPlan, "keepsRowGradients">,
): RunIdentity {
  const { checkpointEvery: _, keepCheckpoints: __, onNonFinite: ___, maxSkippedInARow: ____, ...more } = config
  const { checkpointing: _____, deviceMemoryGb: ______, maxBadShare: _______, ...decisive } = more
  const common = { config: decisive, keepsRowGradients, model: model.fingerprint }
  const adapter = startAdapter?.digest
  return {
    digest: sha256(canonicalJson({ ...common, data: dataDigest, adapter, reference })),
    facts: {
      ...common,
      data: fileDigests?.data ?? dataDigest,
      heldOut: fileDigests?.heldOut ?? null,
      adapter: adapter ?? null,
      reference: reference ?? null,
    },
  }
}

const INPUTS = [
  ["data", "--data"],
  ["heldOut", "--held-out"],
  ["model", "--model"],
  ["adapter", "--adapter"],
] as const

/** In which facts a run differs from that of a checkpoint, each in words. */
export function differencesOf(kept: RunFacts, now: RunFacts): string[] {
  const inputs = INPUTS.filter(([name]) => kept[name] !== now[name]).map(([name, option]) => {
    if (now[name] === null) return `${option}, which the first run had, is missing`
    return kept[name] === null ? `${option} was not given to the first run` : `${option} has another content`
  })
  const keys = [...new Set([...Object.keys(kept.config), ...Object.keys(now.config)])].sort()
  const changed = keys.flatMap((key) => {
    const [before, after] = [kept, now].map(({ config }) => JSON.stringify(config[key]) ?? "not set")
    return before === after ? [] : [`${key} was ${before} and is ${after}`]
  })
  const found = [...inputs, ...changed]
  if (kept.keepsRowGradients !== now.keepsRowGradients) {
    found.push("less or more memory (deviceMemoryGb, another device) cuts its steps otherwise")
  }
  // Where the reference is scored, it is another because the model, the adapter or baseWeights is.
  return found.length === 0 && kept.reference !== now.reference
    ? ["--reference is another, or was or is not given"]
    : found
}
