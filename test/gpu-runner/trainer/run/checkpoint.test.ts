// What is no checkpoint of this run is refused, each fault in its own words.
import { expect, test } from "vitest"
import type { ParameterBank } from "#gpu-runner/models/parameter-bank.ts"
import type { AdamwState } from "#gpu-runner/optimiser/adamw-state.ts"
import { CheckpointMismatch } from "#gpu-runner/trainer/errors.ts"
import {
  decodeCheckpoint,
  encodeCheckpoint,
  restoreCheckpoint,
  type Trained,
} from "#gpu-runner/trainer/run/checkpoint.ts"
import { initialState } from "#gpu-runner/trainer/run/run-state.ts"
import { readSafetensors, writeSafetensors } from "#shared/formats/weights/safetensors.ts"

type Values = Map<string, Float32Array>

/** Parameters and moments on the host, read and written by name as the device's are. */
function hostTrained(parameters: Values, moments: Values): Trained {
  const writeInto = (values: Values) => (valuesFor: (name: string) => Float32Array) => {
    for (const name of values.keys()) values.set(name, valuesFor(name))
  }
  const writeParameters = writeInto(parameters)
  const bank = {
    read: async () => ({ parameter: parameters }),
    write: (_: "parameter", valuesFor: (name: string) => Float32Array) => writeParameters(valuesFor),
  }
  const optimiser = { read: async () => moments, write: writeInto(moments) }
  return { bank: bank as unknown as ParameterBank, optimiser: optimiser as unknown as AdamwState }
}

const values = (...numbers: number[]) => Float32Array.from(numbers)
const trained = () => hostTrained(new Map([["w", values(1, 2)]]), new Map([["moment/w", values(3, 4)]]))
const FACTS = {
  config: {},
  keepsRowGradients: false,
  data: "d",
  heldOut: "h",
  model: "m",
  adapter: null,
  reference: null,
}
const RUN = { digest: "run", facts: FACTS }
const ANOTHER = { digest: "another", facts: { ...FACTS, heldOut: null } }
const STATE = { ...initialState, step: 7, updates: 6 }

test("a checkpoint gives back parameters, moments and state", async () => {
  const checkpoint = decodeCheckpoint(await encodeCheckpoint(trained(), STATE, RUN), RUN)
  expect(checkpoint.state).toEqual(STATE)
  const [parameters, moments] = [new Map([["w", values(0, 0)]]), new Map([["moment/w", values(0, 0)]])]
  restoreCheckpoint(hostTrained(parameters, moments), checkpoint)
  expect(parameters.get("w")).toEqual(values(1, 2))
  expect(moments.get("moment/w")).toEqual(values(3, 4))
})

test("a checkpoint of another run is refused", async () => {
  const bytes = await encodeCheckpoint(trained(), STATE, RUN)
  expect(() => decodeCheckpoint(bytes, ANOTHER)).toThrow(CheckpointMismatch)
  expect(() => decodeCheckpoint(bytes, ANOTHER)).toThrow(
    "the checkpoint is of another run: --held-out, which the first run had, is missing; restore what is named",
  )
})

test("of one that an earlier version wrote, which says nothing of its run, all that may differ is named", async () => {
  const { tensors, metadata } = readSafetensors(await encodeCheckpoint(trained(), STATE, RUN))
  const { facts: _, ...older } = metadata
  const bytes = writeSafetensors([...tensors.values()], older)
  expect(decodeCheckpoint(bytes, RUN).state).toEqual(STATE)
  expect(() => decodeCheckpoint(bytes, ANOTHER)).toThrow("configuration, data, model, adapter or reference changed")
})

test.each([
  ["of an older version", { version: "3" }],
  ["of another kind", { format: "pt" }],
])("a file %s is refused", async (_, changed) => {
  const { tensors, metadata } = readSafetensors(await encodeCheckpoint(trained(), STATE, RUN))
  const bytes = writeSafetensors([...tensors.values()], { ...metadata, ...changed })
  expect(() => decodeCheckpoint(bytes, RUN)).toThrow(CheckpointMismatch)
  expect(() => decodeCheckpoint(bytes, RUN)).toThrow("the checkpoint is not of this version")
})

test.each([
  ["parameter/w2", new Map([["w2", values(0)]]), new Map<string, Float32Array>()],
  ["moment/w2", new Map([["w", values(0, 0)]]), new Map([["moment/w2", values(0)]])],
])("one without %s is refused by that name", async (name, parameters, moments) => {
  const checkpoint = decodeCheckpoint(await encodeCheckpoint(trained(), STATE, RUN), RUN)
  const restore = () => restoreCheckpoint(hostTrained(parameters, moments), checkpoint)
  expect(restore).toThrow(CheckpointMismatch)
  expect(restore).toThrow(`the checkpoint has no ${name}; start again with another --out`)
})
