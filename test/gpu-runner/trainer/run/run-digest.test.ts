// What names a run, so that it goes on from its own checkpoints alone.
import { Result } from "effect"
import { expect, test } from "vitest"
import { differencesOf, runIdentityOf } from "#gpu-runner/trainer/run/run-digest.ts"
import type { RunInputs } from "#gpu-runner/trainer/run/run-inputs.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"

const inputs = { dataDigest: "data", model: { fingerprint: "model" } } as unknown as RunInputs

function digestOf(config: Record<string, unknown>, keepsRowGradients = false): string {
  return runIdentityOf(Result.getOrThrow(decodeTrainConfig(config)), inputs, undefined, { keepsRowGradients }).digest
}

test("what changes no bit may change between a run and its resumption: memory, checkpointing, checkpoints, giving up", () => {
  const changed = [
    { deviceMemoryGb: 8 },
    { checkpointing: "always" },
    { checkpointEvery: 3 },
    { keepCheckpoints: 7 },
    { onNonFinite: "stop" },
    { maxSkippedInARow: 2 },
  ]
  for (const config of changed) expect(digestOf(config), JSON.stringify(config)).toBe(digestOf({}))
})

test("the adapter that training starts from names the run too", () => {
  const config = Result.getOrThrow(decodeTrainConfig({}))
  const from = (digest: string | undefined) => {
    const startAdapter = digest === undefined ? undefined : { digest }
    return runIdentityOf(config, { ...inputs, startAdapter } as RunInputs, undefined, { keepsRowGradients: false })
      .digest
  }
  expect(new Set([from(undefined), from("one"), from("another")]).size).toBe(3)
  expect(from("one")).toBe(from("one"))
})

test("what the memory decided may not, where it is another order of summation: tokens at once, gradients kept by rows", () => {
  expect(digestOf({ tokensPerMicroBatch: 512 })).not.toBe(digestOf({ tokensPerMicroBatch: 256 }))
  expect(digestOf({}, true)).not.toBe(digestOf({}, false))
  expect(digestOf({ precision: "f32" })).not.toBe(digestOf({ precision: "mixed" }))
})

test("each fact that differs between two runs is named, and no other", () => {
  const facts = {
    config: { learningRate: 0.001, seed: 1 },
    keepsRowGradients: false,
    data: "d",
    heldOut: null,
    model: "m",
    adapter: null,
    reference: "r",
  }
  const changes = [
    [{ data: "e" }, "--data has another content"],
    [{ heldOut: "h" }, "--held-out was not given to the first run"],
    [{ model: "n", reference: "s" }, "--model has another content"],
    [{ adapter: "a", reference: "s" }, "--adapter was not given to the first run"],
    [{ reference: "s" }, "--reference is another, or was or is not given"],
    [{ config: { learningRate: 0.002, seed: 1 } }, "learningRate was 0.001 and is 0.002"],
    [{ config: { seed: 1 } }, "learningRate was 0.001 and is not set"],
    [{ keepsRowGradients: true }, "less or more memory (deviceMemoryGb, another device) cuts its steps otherwise"],
  ] as const
  for (const [change, words] of changes) expect(differencesOf(facts, { ...facts, ...change })).toEqual([words])
  expect(differencesOf(facts, facts)).toEqual([])
  expect(differencesOf({ ...facts, heldOut: "h", data: "e" }, facts)).toEqual([
    "--data has another content",
    "--held-out, which the first run had, is missing",
  ])
})
