// The replay of a step's products is the step's products: as many multiplications as the model needs, on the model's own weights, and
// it leaves the parameters alone however often it runs.
import { expect } from "vitest"
import { passWork } from "#gpu-runner/bench/flops.ts"
import { LAYOUTS, layoutConfig } from "#gpu-runner/bench/layouts.ts"
import { replayProducts } from "#gpu-runner/bench/product-replay.ts"
import { dispatchesOf } from "#gpu-runner/bench/rounds.ts"
import { openSession, randomRows } from "#gpu-runner/bench/training-session.ts"
import { createContext } from "#gpu-runner/device/context.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { isMatmul } from "#gpu-runner/trainer/step/step-profile.ts"
import { portableTest, softwareTest } from "../lanes.ts"

const sizes = { hidden: 32, layers: 2, heads: 2, keyValueHeads: 2, headSize: 16, intermediate: 64, vocabulary: 96 }
const model = layoutConfig({ ...LAYOUTS.anchor, ...sizes }, 64)
const lengths = [{ promptLength: 20, chosenLength: 12, rejectedLength: 12 }]

/** Multiply-adds times two of the products among some dispatches, from their parameters. */
function flopsOf(dispatches: readonly { readonly params: Readonly<Record<string, number>> }[]): number {
  return dispatches.reduce((sum, { params }) => {
    const { rows = 0, columns = 0, depth = 0, low_depth: lowDepth = 0 } = params
    return sum + 2 * rows * columns * (depth + lowDepth)
  }, 0)
}

// What is computed beyond the work that is needed: a trained head's logits once more in the backward pass.
const cases = [
  { trains: "adapter", rank: 4, more: 0 },
  { trains: "weights", rank: 0, more: 2 * 96 * 32 * 24 },
  { trains: "nothing", rank: 0, more: 0 },
] as const

for (const { trains, rank, more } of cases) {
  portableTest(`a step that trains ${trains} has the products that its work is counted by`, async ({ gpu }) => {
    const context = createContext(gpu, "portable")
    const options = { model, trains, rank, baseWeights: "f32", method: "sft", positionCount: 64 } as const
    const session = openSession(context, options)
    const rows = randomRows(model, lengths)
    const run =
      trains === "nothing" ? () => session.score(rows) : async () => session.apply(await session.gradient(rows))
    const flops = flopsOf((await dispatchesOf(context, run)).filter(isMatmul))
    const { total, attention } = passWork(model, lengths, { trains, rank })
    // Less is done: an adapter's first layer needs no gradient of its input, the last layer's prompt rows little.
    expect(flops).toBeLessThanOrEqual(total - attention + more)
    expect(flops).toBeGreaterThan(0.7 * (total - attention))
    session.release()
  })
}

softwareTest("replayed, products keep to the model's weights and change no parameter", async ({ gpu }) => {
  const context = createContext(gpu)
  const options = {
    model,
    trains: "adapter",
    rank: 4,
    baseWeights: "stored",
    method: "sft",
    positionCount: 64,
  } as const
  const session = openSession(context, options)
  const rows = randomRows(model, lengths)
  const dispatches = await dispatchesOf(context, async () => session.apply(await session.gradient(rows)))
  const replay = replayProducts(context, dispatches, session.policy)
  expect(replay.count).toBe(dispatches.filter(isMatmul).length)
  const parameters = session.policy.trained!.shards.map(({ parameter }) => parameter)
  const before = await readback(context, parameters)
  replay.record()
  const replayed = await dispatchesOf(context, replay.record)
  expect(replayed.map(({ kernel, variant }) => [kernel.name, variant])).toEqual(
    dispatches.filter(isMatmul).map(({ kernel, variant }) => [kernel.name, variant]),
  )
  expect(await readback(context, parameters)).toEqual(before)
  const loss = await session.gradient(rows)
  expect(Number.isFinite(loss.loss.loss)).toBe(true)
  replay.release()
  session.release()
})
