// What names a run, so that it goes on from its own checkpoints alone.
import { Result } from "effect"
import { expect, test } from "vitest"
import { runDigestOf } from "#gpu-runner/trainer/run/run-digest.ts"
import type { RunInputs } from "#gpu-runner/trainer/run/run-inputs.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"

const inputs = { dataDigest: "data", model: { fingerprint: "model" } } as unknown as RunInputs

function digestOf(config: Record<string, unknown>, keepsRowGradients = false): string {
  return runDigestOf(Result.getOrThrow(decodeTrainConfig(config)), inputs, undefined, { keepsRowGradients })
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
    return runDigestOf(config, { ...inputs, startAdapter } as RunInputs, undefined, { keepsRowGradients: false })
  }
  expect(new Set([from(undefined), from("one"), from("another")]).size).toBe(3)
  expect(from("one")).toBe(from("one"))
})

test("what the memory decided may not, where it is another order of summation: tokens at once, gradients kept by rows", () => {
  expect(digestOf({ tokensPerMicroBatch: 512 })).not.toBe(digestOf({ tokensPerMicroBatch: 256 }))
  expect(digestOf({}, true)).not.toBe(digestOf({}, false))
  expect(digestOf({ precision: "f32" })).not.toBe(digestOf({ precision: "mixed" }))
})
