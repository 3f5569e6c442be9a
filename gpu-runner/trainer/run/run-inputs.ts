// What a run is made of, and what it tells while it goes on.
import type { ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { Rows } from "#gpu-runner/data/rows/token-rows.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import type { PrecisionPair } from "#shared/formats/weights/precision-bounds.ts"
import type { MemoryForecast } from "../plan/memory-forecast.ts"
import type { FittedConfig } from "../rows/fitted-config.ts"
import type { StepMetrics } from "../step/step-metrics.ts"
import type { Profile } from "../step/step-profile.ts"

export interface RunInputs {
  readonly model: ModelFolder
  /** How the base model is named in adapter_config.json. */
  readonly baseModel: string
  readonly config: TrainConfig
  readonly train: Rows
  readonly heldOut: Rows
  readonly dropped: Readonly<Record<string, number>>
  /** Names the data: SHA-256 of the pack or the files. */
  readonly dataDigest: string
  /** Of data and held-out pairs that are files of their own, by which a checkpoint tells which of them changed. */
  readonly fileDigests?: { readonly data: string; readonly heldOut: string | undefined } | undefined
  /** Names the reference that came with the data, if one did. */
  readonly referenceDigest: string | undefined
  /** Of a reference that was computed in another precision than the policy's base is held in. */
  readonly precisions?: PrecisionPair | undefined
  /** The adapter that training starts from. The reference is then the base with this adapter, frozen as it is at the start. */
  readonly startAdapter?:
    | { readonly adapter: Adapter; readonly digest: string; readonly directory?: string | undefined }
    | undefined
  readonly outDir: string
  /** Goes on from the last checkpoint of this very run, if there is one. */
  readonly resume?: boolean | undefined
  /** Times the dispatches of the first steps and writes profile.json. */
  readonly profile?: boolean | undefined
  /** Optimiser steps that the run may take. */
  readonly mostSteps?: number | undefined
  /** The command line that started the run, for the model card. */
  readonly command?: string | undefined
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined
  /** Stops the run between two steps, after writing a checkpoint. */
  readonly signal?: AbortSignal | undefined
}

/** A run's configuration with every value resolved, also those that depend on the rows, the model and the device. */
export type ResolvedConfig = FittedConfig & { readonly tokensPerMicroBatch: number }

export type ProgressEvent =
  /** Before the first step, and while kernels are compiled that it is the first to use, in words around a count: "reference: scored" 3 of 120 "rows". */
  | {
      readonly _tag: "Preparing"
      readonly what: string
      readonly done: number
      readonly total: number
      readonly unit: string
    }
  /** The model is on the device; what it and the run will take there. */
  | { readonly _tag: "Memory"; readonly forecast: MemoryForecast }
  /** What is legal and hardly wanted, in one line. */
  | { readonly _tag: "Warned"; readonly message: string }
  | { readonly _tag: "Resumed"; readonly step: number; readonly damagedCheckpoints: readonly string[] }
  | { readonly _tag: "Step"; readonly step: number; readonly steps: number; readonly metrics: StepMetrics }
  /** Held-out pairs were judged; step 0 is before the first step. */
  | {
      readonly _tag: "Evaluated"
      readonly step: number
      readonly steps: number
      readonly accuracy: number
      readonly metrics: StepMetrics
      readonly isBest: boolean
    }
  /** Where the time of the first steps went; at the end of a run that was asked for it. */
  | { readonly _tag: "Profiled"; readonly profile: Profile }
  | { readonly _tag: "StoppedEarly"; readonly step: number; readonly bestStep: number }
  /** The device was lost; the run goes on from its last checkpoint on a new one. */
  | { readonly _tag: "DeviceLost"; readonly losses: number; readonly reason: string }

/** Tells how many rows are scored. */
export function scoredProgress({ onProgress }: RunInputs, what: string, total: number) {
  return (done: number) => onProgress?.({ _tag: "Preparing", what: `${what}: scored`, done, total, unit: "rows" })
}
