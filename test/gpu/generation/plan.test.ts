// Memory of generating is foreseen to the byte before anything is uploaded; where it is short, fewer sequences are alive at once, and where
// not even one fits it is refused with its numbers. And generating stops when it is told to.
import { expect } from "vitest"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { createCaches, prefillLogits, stepLogits } from "#gpu-runner/generation/cached-decoder.ts"
import { openGenerator } from "#gpu-runner/generation/open-generator.ts"
import { PagePool } from "#gpu-runner/generation/page-pool.ts"
import { planGeneration } from "#gpu-runner/generation/plan.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { randomDecoder } from "#test/reference/random-decoder.ts"
import { softwareTest } from "../lanes.ts"
import { randomAdapter, tinyConfig } from "../models/tiny.ts"
import { answersOf, lengthsOf, requestOf } from "./requests.ts"

const config = tinyConfig({ hidden_size: 64, head_dim: 16, vocab_size: 96 })
const source = { config, tensors: randomDecoder(config, 3, 1.5) }
const requests = [70, 33, 20, 9, 8, 7, 6, 5].map((length) => requestOf(config, length, 20))

/** The context on a device that says it has so much memory, half of which may be taken. */
function withMemory(context: OpContext, memoryBytes: number): OpContext {
  return { ...context, gpu: { ...context.gpu, memoryBytes } }
}

softwareTest("what is foreseen is what the weights, the cache and the largest passes take", async ({ gpu }) => {
  const context = createContext(gpu, "tuned", { precision: "f32", steadyRows: "many" })
  const voices = [randomAdapter(config, 4, 1), randomAdapter(config, 8, 2)]
  const plan = planGeneration(context, source, { voices }, lengthsOf(requests), 4)
  expect(context.memory.statistics().reservedBytes).toBe(0)
  const model = createDecoder(context, source, { voices, positionCount: plan.positionCount })
  expect(context.memory.statistics().usedBytes).toBe(plan.fixedBytes)
  const decoder = { model, caches: createCaches(context, model, plan.pages) }
  expect(context.memory.statistics().usedBytes).toBe(plan.fixedBytes + plan.cacheBytes)
  const pool = new PagePool(plan.pages)
  const alive = requests.slice(0, 4).map(({ promptIds, maxTokens }, index) => {
    return { ids: promptIds, pages: pool.take(promptIds.length + maxTokens - 1)!, voice: index % 2 }
  })
  const scope = context.memory.openScope()
  await readback(context, [prefillLogits(context, decoder, alive)])
  scope.close()
  const steps = alive.map(({ ids, ...sequence }) => ({ ...sequence, id: 1, position: ids.length + 20 - 2 }))
  const ofStep = context.memory.openScope()
  await readback(context, [stepLogits(context, decoder, steps)])
  ofStep.close()
  expect(context.memory.statistics().peakUsedBytes).toBe(plan.fixedBytes + plan.cacheBytes + plan.passBytes)
})

softwareTest(
  "with less memory fewer sequences are alive at once, and all say what they said before",
  async (context) => {
    const wished = planGeneration(context, source, {}, lengthsOf(requests))
    const { fixedBytes, cacheBytes, passBytes } = wished
    expect(wished.batch).toBe(requests.length)
    const short = withMemory(context, 2 * (fixedBytes + cacheBytes + passBytes) - 2)
    const fewer = openGenerator(short.gpu, { source, sequences: lengthsOf(requests) })
    const usual = openGenerator(context.gpu, { source, sequences: lengthsOf(requests) })
    const { plan } = fewer
    expect(plan.batch).toBeLessThan(wished.batch)
    expect(plan.fixedBytes + plan.cacheBytes + plan.passBytes).toBeLessThanOrEqual(plan.budgetBytes!)
    expect(await answersOf(fewer, requests)).toEqual(await answersOf(usual, requests))
    fewer.close()
    usual.close()
  },
)

softwareTest(
  "where not even one sequence fits, it is refused with every number, and nothing is uploaded",
  (context) => {
    const one = planGeneration(context, source, {}, lengthsOf(requests), 1)
    const neededBytes = one.fixedBytes + one.cacheBytes + one.passBytes
    const short = withMemory(createContext(context.gpu), 2 * neededBytes - 2)
    const open = () => planGeneration(short, source, {}, lengthsOf(requests))
    expect(open).toThrow(
      expect.objectContaining({ _tag: "GenerationTooLarge", neededBytes, budgetBytes: neededBytes - 1 }),
    )
    const shown = (bytes: number) => bytes.toLocaleString("en-US")
    expect(open).toThrow(`needs ${shown(neededBytes)} bytes of memory for one sequence at a time`)
    expect(open).toThrow(`and ${shown(neededBytes - 1)} may be taken; use --base-weights nf4`)
    expect(short.memory.statistics().reservedBytes).toBe(0)
  },
)

softwareTest("told to stop, it stops before the next pass; the same requests then say the same", async ({ gpu }) => {
  const generator = openGenerator(gpu, { source, sequences: lengthsOf(requests), batch: 2 })
  const stop = new AbortController()
  const said: unknown[] = []
  const interrupted = async () => {
    for await (const { request, generated } of generator.generate(requests, { signal: stop.signal })) {
      said.push([requests.indexOf(request), generated])
      if (said.length === 3) stop.abort()
    }
  }
  await expect(interrupted()).rejects.toMatchObject({ _tag: "GenerationStopped" })
  expect(said.length).toBeLessThan(requests.length)
  const whole = await answersOf(generator, requests)
  expect(said).toEqual(said.map((each) => [(each as [number])[0], whole[(each as [number])[0]]]))
  generator.close()
})
