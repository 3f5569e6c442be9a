// What a sequence says does not depend, in a single bit, on what else is in the batch: how many, of which lengths, under whose adapter, in
// which order they came. And each sequence's adapter is its own.
import { expect } from "vitest"
import { createContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { type GeneratorOptions, openGenerator } from "#gpu-runner/generation/open-generator.ts"
import { mostLikely } from "#gpu-runner/generation/sampling.ts"
import type { GenerationRequest } from "#gpu-runner/generation/sequence-batch.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { BASE_WEIGHTS } from "#shared/formats/weights/base-weights.ts"
import { isFullRun } from "#test/full-run.ts"
import { randomDecoder } from "#test/reference/random-decoder.ts"
import { softwareTest } from "../lanes.ts"
import { randomAdapter, tinyConfig, tinyFamilyConfig } from "../models/tiny.ts"
import { answersOf, lengthsOf, requestOf } from "./requests.ts"
import { teacherForced } from "./teacher-forced.ts"

const SAMPLED = { sampling: { temperature: 0.8, topK: 40, repetitionPenalty: 1.1 } }

/** All answers in one generator, and in one generator each. */
async function bothWays(
  gpu: GpuDevice,
  options: Pick<GeneratorOptions, "source" | "adapter" | "voices" | "baseWeights" | "kernels">,
  requests: readonly GenerationRequest[],
) {
  const generate = async (some: readonly GenerationRequest[], batch: number) => {
    const generator = openGenerator(gpu, { ...options, sequences: lengthsOf(requests), batch })
    try {
      return await answersOf(generator, some)
    } finally {
      generator.close()
    }
  }
  const alone = []
  for (const request of requests) alone.push(...(await generate([request], 1)))
  return {
    together: await generate(requests, requests.length),
    inFours: await generate(requests.toReversed(), 4),
    alone,
  }
}

const ADAPTED = { hidden_size: 64, head_dim: 16, vocab_size: 96 }

/** Of lengths on both sides of every tile and page, and as many sequences as need tiles of several sizes. */
const LENGTHS = [1, 2, 3, 5, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 41, 63, 64, 65, 70, 80]

async function expectSteady(gpu: GpuDevice, options: Pick<GeneratorOptions, "baseWeights" | "kernels" | "adapter">) {
  const config = tinyConfig(ADAPTED)
  const source = { config, tensors: randomDecoder(config, 3, 1.5) }
  const requests = LENGTHS.map((length) => requestOf(config, length, 6 + (length % 5), SAMPLED))
  const { together, inFours, alone } = await bothWays(gpu, { source, ...options }, requests)
  expect(together).toEqual(alone)
  expect(inFours.toReversed()).toEqual(alone)
}

const SAME_BITS = `a sequence's ids and log-probs are the same bits alone and beside ${LENGTHS.length - 1} others`

/** Each kind has kernels of its own for every number of rows, which take seconds to compile. */
const KINDS = isFullRun ? BASE_WEIGHTS : (["stored", "bf16", "nf4"] as const)

for (const baseWeights of KINDS) {
  softwareTest(`${SAME_BITS}, base as ${baseWeights}`, ({ gpu }) => expectSteady(gpu, { baseWeights }))
}

for (const kernels of ["portable", "gpu"] as const) {
  softwareTest(`${SAME_BITS}, ${kernels} kernels and an adapter`, ({ gpu }) =>
    expectSteady(gpu, { kernels, baseWeights: "bf16", adapter: randomAdapter(tinyConfig(ADAPTED), 8, 9) }),
  )
}

softwareTest("sequences of the base and of two adapters in one batch say what each says alone", async ({ gpu }) => {
  const config = tinyFamilyConfig("gemma3", { ...ADAPTED, tie_word_embeddings: false })
  const source = { config, tensors: randomDecoder(config, 3, 1.5) }
  const voices = [randomAdapter(config, 4, 9), randomAdapter(config, 6, 10)]
  const requests = [undefined, 0, 1].flatMap((voice) =>
    [3, 17, 32, 50].map((length) => requestOf(config, length, 12, { voice })),
  )
  const { together, inFours, alone } = await bothWays(gpu, { source, voices }, requests)
  expect(together).toEqual(alone)
  expect(inFours.toReversed()).toEqual(alone)
  const context = createContext(gpu, "tuned", { precision: "f32" })
  for (const [voice, adapter] of [undefined, ...voices].entries()) {
    const model = createDecoder(context, source, { positionCount: 128, adapter })
    for (const index of [0, 1, 2, 3].map((of) => 4 * voice + of)) {
      const { ids, sumLogProb } = together[index]!
      const expected = await teacherForced(context, model, requests[index]!.promptIds, ids)
      expect(ids, `voice ${voice}`).toEqual(expected.logits.map(mostLikely))
      expect(Math.abs(sumLogProb - expected.sumLogProb), `voice ${voice}`).toBeLessThan(1e-4)
    }
    model.release()
  }
  const said = [0, 4, 8].map((first) => JSON.stringify(together.slice(first, first + 4).map(({ ids }) => ids)))
  expect(new Set(said).size, "what base and adapters say differs").toBe(3)
})

softwareTest("an adapter with NaN fails its own sequences and leaves the base's alone", async ({ gpu }) => {
  const config = tinyConfig(ADAPTED)
  const source = { config, tensors: randomDecoder(config, 3, 1.5) }
  const sound = randomAdapter(config, 4, 9)
  const broken: Adapter = {
    ...sound,
    modules: new Map([...sound.modules].map(([path, { a }]) => [path, { a, b: nan(sound.modules.get(path)!.b) }])),
  }
  const requests = [requestOf(config, 9, 5), requestOf(config, 10, 5, { voice: 0 })]
  const generator = openGenerator(gpu, { source, voices: [broken], sequences: lengthsOf(requests) })
  const [alone] = await answersOf(generator, requests.slice(0, 1))
  await expect(answersOf(generator, requests)).rejects.toMatchObject({ _tag: "BrokenLogits" })
  expect(await answersOf(generator, requests.slice(0, 1))).toEqual([alone])
  generator.close()
})

function nan(values: Float32Array): Float32Array {
  return new Float32Array(values.length).fill(Number.NaN)
}
