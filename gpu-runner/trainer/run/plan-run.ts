// What a run will be on this device, worked out before anything is uploaded: its configuration with every value resolved, the rows that
// it trains on, what is trained, and how its steps are cut to fit the memory. Of the model only names, shapes and dtypes are read.

import { NoUsableRows, ReferenceMismatch } from "#gpu-runner/data/errors.ts"
import { countReferences, mostPositions, type Rows, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { definitionOf, needsReferenceModel } from "#shared/methods/methods.ts"
import { UnusableConfig } from "../errors.ts"
import { planStep, type StepPlan } from "../plan/step-plan.ts"
import { fittedConfig } from "../rows/fitted-config.ts"
import { heldOutKtoRows, inTurn, ktoRows } from "../rows/kto-rows.ts"
import { effectiveMaxLength } from "../rows/read-rows.ts"
import { freshAdapter } from "./fresh-adapter.ts"
import type { ResolvedConfig, RunInputs } from "./run-inputs.ts"
import { matchedWarning } from "./run-warnings.ts"

/** What planning reads of a run's inputs. */
export type PlannedInputs = Pick<
  RunInputs,
  "model" | "baseModel" | "config" | "train" | "heldOut" | "dropped" | "startAdapter" | "onProgress"
>

export interface RunPlan {
  readonly config: ResolvedConfig
  readonly rows: { readonly train: Rows; readonly heldOut: Rows }
  /** Of kto: mismatched completions that were cut to fit. */
  readonly truncatedKlSamples: number
  /** The adapter whose matrices are trained; undefined in a full fine-tune. */
  readonly adapter: Adapter | undefined
  /** Whether it starts from zero, so that the base alone is its reference. */
  readonly hasFreshAdapter: boolean
  /** Whether the loss reads the reference from a frozen copy of what the run starts from. */
  readonly hasReferenceCopy: boolean
  readonly positionCount: number
  readonly stepPlan: StepPlan
}

/** Errors: NoUsableRows, UnusableConfig, ReferenceMismatch, NotEnoughMemory, InvalidModel. */
export function planRun(context: OpContext, inputs: PlannedInputs): RunPlan {
  const { model, startAdapter } = inputs
  const maxLength = effectiveMaxLength(inputs.config, model.config.maxPositions)
  const written: TrainConfig = { ...inputs.config, maxLength }
  checkEvaluation(written, inputs)
  if (inputs.train.length === 0) throw new NoUsableRows("the training data", inputs.dropped)
  const { truncatedKlSamples, ...rows } = rowsOfMethod(written, inputs)
  const asked = fittedConfig(written, { rowCount: rows.train.length, hiddenSize: model.config.hiddenSize })
  const adapter = adapterOf(inputs)
  const positionCount = Math.max(mostPositions(rows.train), mostPositions(rows.heldOut))
  const hasFreshAdapter = adapter !== undefined && !startAdapter
  const hasReferenceCopy = needsReferenceModel(asked) && !hasFreshAdapter
  const stepPlan = planStep(context, asked, model, { adapter, positionCount, hasReferenceCopy, rows: rows.train })
  return {
    ...{ config: { ...asked, tokensPerMicroBatch: stepPlan.tokens }, rows, truncatedKlSamples },
    ...{ adapter, hasFreshAdapter, hasReferenceCopy, positionCount, stepPlan },
  }
}

/** Keys that would have no effect without held-out pairs. */
function checkEvaluation(config: TrainConfig, { heldOut }: PlannedInputs): void {
  if (heldOut.length > 0) return
  const asked = config.loadBestAtEnd
    ? "loadBestAtEnd"
    : config.earlyStoppingPatience > 0
      ? "earlyStoppingPatience"
      : config.evaluateEvery > 0
        ? "evaluateEvery"
        : undefined
  if (asked === undefined) return
  throw new UnusableConfig(`${asked} needs held-out pairs; give --held-out, or set heldOutShare`)
}

/** Pairs, or the labelled rows that are made of them for a method that judges single responses. */
function rowsOfMethod({ method, maxLength, shuffle }: TrainConfig, { train, heldOut, onProgress }: PlannedInputs) {
  const kind = definitionOf(method).rows
  if (kind !== "unpaired") {
    const labelled = kind === "pairs" ? labelledRow(train) : undefined
    if (!labelled) return { train, heldOut, truncatedKlSamples: 0 }
    throw new UnusableConfig(
      `row ${JSON.stringify(labelled.id)} is a labelled completion and no pair, which ${method} compares; use method kto, or give pairs`,
    )
  }
  if (countReferences(train) > 0) {
    throw new ReferenceMismatch(
      `${method} scores its own reference, since it also needs mismatched completions; leave the reference out`,
    )
  }
  // A row's mismatched completion is another row's: they are read at once.
  const read = [...train]
  const { rows, truncated, matched } = ktoRows(read, maxLength)
  const message = matchedWarning(method, matched, rows.length)
  if (message !== undefined) onProgress?.({ _tag: "Warned", message })
  return {
    train: shuffle ? rows : inTurn(rows, read),
    heldOut: heldOutKtoRows([...heldOut], maxLength),
    truncatedKlSamples: truncated,
  }
}

/** A row that is no pair; none on disk is one. */
function labelledRow(rows: Rows): TokenRow | undefined {
  if (rows.onDisk) return undefined
  for (const row of rows) if (row.label !== undefined) return row
  return undefined
}

function adapterOf({ config, model, startAdapter, baseModel }: PlannedInputs): Adapter | undefined {
  if (startAdapter) {
    if (config.loraRank > 0) return startAdapter.adapter
    throw new UnusableConfig(
      "loraRank 0 trains all weights and cannot start from an adapter; merge it first (yohaku export --format merged)",
    )
  }
  return config.loraRank > 0 ? freshAdapter(model.config, config, baseModel) : undefined
}
