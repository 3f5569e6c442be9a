// A checkpoint as bytes: everything that the next step depends on, in one safetensors file. The order of the data and the learning rate
// are functions of the step's number and the configuration, so neither is stored.
import type { ParameterBank, StateKind } from "#gpu-runner/models/parameter-bank.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { asFloat32, readSafetensors, type Tensor, tensorOf, writeSafetensors } from "#shared/formats/safetensors.ts"
import { CheckpointMismatch } from "./errors.ts"
import type { RunState } from "./run-state.ts"

export interface Checkpoint {
  readonly state: RunState
  /** Names the run: configuration, data, model, reference. */
  readonly runDigest: string
  readonly values: Readonly<Record<StateKind, ReadonlyMap<string, Float32Array>>>
}

const KINDS = ["parameter", "firstMoment", "secondMoment"] as const

/** Reads parameters and moments back and encodes them with the state. */
export async function encodeCheckpoint(bank: ParameterBank, state: RunState, runDigest: string): Promise<Uint8Array> {
  const values = await bank.read(...KINDS)
  const tensors: Tensor[] = []
  for (const kind of KINDS) {
    for (const [name, data] of values[kind]) tensors.push(tensorOf(`${kind}/${name}`, [data.length], data))
  }
  return writeSafetensors(tensors, {
    format: "yohaku-checkpoint",
    version: "2",
    run: runDigest,
    state: canonicalJson(state),
  })
}

/** Decodes a checkpoint of this run. Errors: CheckpointMismatch (another run, or not a checkpoint). */
export function decodeCheckpoint(bytes: Uint8Array, runDigest: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(bytes)
  if (metadata.format !== "yohaku-checkpoint" || metadata.version !== "2") {
    throw new CheckpointMismatch("the checkpoint is not of this version; start again with another --out")
  }
  if (metadata.run !== runDigest) {
    throw new CheckpointMismatch(
      "the checkpoint is of another run: configuration, data, model, adapter or reference changed; restore them, or start again with another --out",
    )
  }
  const values = { parameter: new Map(), firstMoment: new Map(), secondMoment: new Map() }
  for (const [name, tensor] of tensors) {
    const slash = name.indexOf("/")
    values[name.slice(0, slash) as StateKind].set(name.slice(slash + 1), asFloat32(tensor))
  }
  return { state: JSON.parse(metadata.state!) as RunState, runDigest, values }
}

/** Puts a checkpoint's parameters and moments back. Errors: CheckpointMismatch when a parameter is not in it. */
export function restoreCheckpoint(
  bank: ParameterBank,
  { values }: Checkpoint,
  kinds: readonly StateKind[] = KINDS,
): void {
  for (const kind of kinds) {
    bank.write(kind, (name) => {
      const found = values[kind].get(name)
      if (!found)
        throw new CheckpointMismatch(`the checkpoint has no ${kind} of ${name}; start again with another --out`)
      return found
    })
  }
}
