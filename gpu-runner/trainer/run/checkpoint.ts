// A checkpoint as bytes: everything that the next step depends on, in one safetensors file. The order of the data and the schedule
// are functions of the step's number and the configuration, so neither is stored; what a budget of drift left of the rate is in the state.
import type { ParameterBank } from "#gpu-runner/models/parameter-bank.ts"
import type { AdamwState } from "#gpu-runner/optimiser/adamw-state.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import {
  asFloat32,
  asUint32,
  readSafetensors,
  type Tensor,
  tensorOf,
  writeSafetensors,
} from "#shared/formats/weights/safetensors.ts"
import { CheckpointMismatch } from "../errors.ts"
import { differencesOf, type RunFacts, type RunIdentity } from "./run-digest.ts"
import type { RunState } from "./run-state.ts"

export interface Checkpoint {
  readonly state: RunState
  /** `parameter/NAME`, and the optimiser's state by its own names. */
  readonly tensors: ReadonlyMap<string, Tensor>
}

/** What a checkpoint is taken of. */
export interface Trained {
  readonly bank: ParameterBank
  readonly optimiser: AdamwState
}

const VERSION = "4"

/** Reads parameters and moments back and encodes them with the state. */
export async function encodeCheckpoint(
  { bank, optimiser }: Trained,
  state: RunState,
  { digest, facts }: RunIdentity,
): Promise<Uint8Array> {
  const { parameter } = await bank.read("parameter")
  const moments = await optimiser.read()
  const tensors = [
    ...[...parameter].map(([name, data]) => tensorOf(`parameter/${name}`, [data.length], data)),
    ...[...moments].map(([name, data]) => tensorOf(name, [data.length], data)),
  ]
  return writeSafetensors(tensors, {
    format: "yohaku-checkpoint",
    version: VERSION,
    run: digest,
    facts: canonicalJson(facts),
    state: canonicalJson(state),
  })
}

/** Decodes a checkpoint of this run. Errors: CheckpointMismatch (another run, or not a checkpoint). */
export function decodeCheckpoint(bytes: Uint8Array, { digest, facts }: RunIdentity): Checkpoint {
  const { tensors, metadata } = readSafetensors(bytes)
  if (metadata.format !== "yohaku-checkpoint" || metadata.version !== VERSION) {
    throw new CheckpointMismatch("the checkpoint is not of this version; start again with another --out")
  }
  if (metadata.run !== digest) throw new CheckpointMismatch(`${mismatch(metadata.facts, facts)}; ${MEND}`)
  return { state: JSON.parse(metadata.state!) as RunState, tensors }
}

const MEND = "restore what is named, or start again with another --out"

/** `kept` is what the checkpoint says of its run; one of an earlier version says nothing. */
function mismatch(kept: string | undefined, facts: RunFacts): string {
  const found = kept === undefined ? [] : differencesOf(JSON.parse(kept) as RunFacts, facts)
  if (found.length > 0) return `the checkpoint is of another run: ${found.join(", ")}`
  return (
    "the checkpoint is of another run: configuration, data, model, adapter or reference changed, or less or more memory (deviceMemoryGb, " +
    "another device) cuts its steps otherwise"
  )
}

/** Puts a checkpoint's parameters back. Errors: CheckpointMismatch when one is not in it. */
export function restoreParameters(bank: ParameterBank, checkpoint: Checkpoint): void {
  bank.write("parameter", (name) => asFloat32(tensorIn(checkpoint, `parameter/${name}`)))
}

/** Puts parameters and moments back. Errors: CheckpointMismatch when one is not in it. */
export function restoreCheckpoint({ bank, optimiser }: Trained, checkpoint: Checkpoint): void {
  restoreParameters(bank, checkpoint)
  optimiser.write((name) => {
    const tensor = tensorIn(checkpoint, name)
    return tensor.dtype === "U32" ? asUint32(tensor) : asFloat32(tensor)
  })
}

function tensorIn({ tensors }: Checkpoint, name: string): Tensor {
  const found = tensors.get(name)
  if (found) return found
  throw new CheckpointMismatch(`the checkpoint has no ${name}; start again with another --out`)
}
