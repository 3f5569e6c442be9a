// AdamW's state over a parameter bank: which parameters have 8-bit moments, and that what is read back and written again goes on bit for bit.
import { expect } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ParameterBank } from "#gpu-runner/models/parameter-bank.ts"
import { fill } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { AdamwState, adamwLayout, type Optimiser } from "#gpu-runner/optimiser/adamw-state.ts"
import { normal64 } from "#test/reference/random.ts"
import { softwareTest } from "./lanes.ts"

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  large: [70, 60],
  norm: [33],
  edge: [64, 64],
  below: [4095],
}
const OPTIONS = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 }

function created(context: OpContext, optimiser: Optimiser) {
  const specs = Object.entries(SHAPES).map(([name, shape]) => ({ name, shape, decays: name !== "norm" }))
  const bank = new ParameterBank(context, specs, adamwLayout(optimiser))
  bank.write("parameter", (name) => Float32Array.from(normal64(name, SHAPES[name]!).data))
  return { bank, state: new AdamwState(context, bank.shards, optimiser) }
}

/** After three steps the gradient turns round, so that moments shrink: what stands beside them in their blocks must not be larger. */
function step(context: OpContext, { bank, state }: ReturnType<typeof created>, number: number): void {
  const scale = number > 3 ? -1e-2 : 1e-2
  bank.write("gradient", (name) => Float32Array.from(normal64(name, SHAPES[name]!, { scale }).data))
  context.memory.withScope(() => {
    const clip = context.memory.allocate([2], "f32", "clip")
    fill(context, clip, 1)
    state.update({ step: number, ...OPTIONS }, clip)
    return undefined
  })
}

softwareTest(
  "in 8 bits, parameters from 4096 elements have codes and scales of their own, smaller ones f32",
  async (context) => {
    const { bank, state } = created(context, "adamw-8bit")
    expect(bank.shards.map(({ isSmall, decays, slots }) => [isSmall, decays, slots.map(({ name }) => name)])).toEqual([
      [false, true, ["large", "edge"]],
      [true, false, ["norm"]],
      [true, true, ["below"]],
    ])
    expect(bank.shards[0]!.slots.map(({ offset }) => offset)).toEqual([0, 17 * 256])
    const stored = await state.read()
    expect([...stored].map(([name, values]) => [name, values.constructor.name, values.length])).toEqual([
      ["firstCodes/large", "Uint32Array", 1088],
      ["firstCodes/edge", "Uint32Array", 1024],
      ["firstScales/large", "Float32Array", 17],
      ["firstScales/edge", "Float32Array", 16],
      ["secondCodes/large", "Uint32Array", 1088],
      ["secondCodes/edge", "Uint32Array", 1024],
      ["secondScales/large", "Float32Array", 17],
      ["secondScales/edge", "Float32Array", 16],
      ["firstMoment/norm", "Float32Array", 33],
      ["secondMoment/norm", "Float32Array", 33],
      ["firstMoment/below", "Float32Array", 4095],
      ["secondMoment/below", "Float32Array", 4095],
    ])
    state.release()
    bank.release()
  },
)

for (const optimiser of ["adamw", "adamw-8bit"] as const) {
  softwareTest(
    `${optimiser}: state read after three steps and written into a new one goes on bit for bit`,
    async (context) => {
      const first = created(context, optimiser)
      for (const number of [1, 2, 3]) step(context, first, number)
      const { parameter } = await first.bank.read("parameter")
      const stored = await first.state.read()
      const second = created(context, optimiser)
      second.bank.write("parameter", (name) => parameter.get(name)!)
      second.state.write((name) => stored.get(name)!)
      for (const number of [4, 5]) {
        step(context, first, number)
        step(context, second, number)
      }
      expect((await second.bank.read("parameter")).parameter).toEqual((await first.bank.read("parameter")).parameter)
      expect(await second.state.read()).toEqual(await first.state.read())
      for (const { bank, state } of [first, second]) {
        state.release()
        bank.release()
      }
    },
  )
}

/** Buffers hold 4096 elements: `large` lies in two ranges and two shards. */
function narrowed(context: OpContext): OpContext {
  const limits = { maxStorageBufferBindingSize: 4 * 4096, maxBufferSize: 4 * 4096 }
  return { ...context, matrixRangeBytes: 4 * 4096, gpu: Object.create(context.gpu, { limits: { value: limits } }) }
}

for (const optimiser of ["adamw", "adamw-8bit"] as const) {
  softwareTest(
    `${optimiser}: parameters larger than one buffer take the same steps, bit for bit, and state moves between both layouts`,
    async (context) => {
      const whole = created(context, optimiser)
      const ranged = created(narrowed(context), optimiser)
      expect(whole.bank.ranges("large", "parameter").map(({ shape }) => shape)).toEqual([[70, 60]])
      expect(ranged.bank.ranges("large", "gradient").map(({ shape }) => shape)).toEqual([
        [64, 60],
        [6, 60],
      ])
      expect(() => ranged.bank.parameter("large")).toThrow("large lies in 2 ranges")
      expect(Math.max(...ranged.bank.shards.map(({ parameter }) => parameter.byteLength))).toBe(4 * 4096)
      for (const number of [1, 2, 3]) {
        step(context, whole, number)
        step(context, ranged, number)
      }
      const moved = created(narrowed(context), optimiser)
      const { parameter } = await whole.bank.read("parameter")
      const stored = await whole.state.read()
      moved.bank.write("parameter", (name) => parameter.get(name)!)
      moved.state.write((name) => stored.get(name)!)
      for (const each of [whole, ranged, moved]) step(context, each, 4)
      const expected = { values: await whole.bank.read("parameter", "gradient"), state: await whole.state.read() }
      for (const { bank, state } of [ranged, moved]) {
        expect(await bank.read("parameter", "gradient")).toEqual(expected.values)
        expect(await state.read()).toEqual(expected.state)
      }
      for (const { bank, state } of [whole, ranged, moved]) {
        state.release()
        bank.release()
      }
    },
  )
}

softwareTest("8-bit steps stay near the f32 ones, and small parameters take exactly the same", async (context) => {
  const full = created(context, "adamw")
  const coarse = created(context, "adamw-8bit")
  for (const number of [1, 2, 3, 4, 5]) {
    step(context, full, number)
    step(context, coarse, number)
  }
  const [exact, near] = [(await full.bank.read("parameter")).parameter, (await coarse.bank.read("parameter")).parameter]
  for (const name of ["norm", "below"]) expect(near.get(name), name).toEqual(exact.get(name))
  for (const name of ["large", "edge"]) {
    const moved = exact.get(name)!.map((value, i) => Math.abs(value - near.get(name)![i]!))
    const mean = moved.reduce((sum, value) => sum + value, 0) / moved.length
    // Five steps move an element by up to .05; the codes are good for a few percent of a step.
    expect(mean, name).toBeGreaterThan(0)
    expect(mean, name).toBeLessThan(2e-3)
  }
  for (const { bank, state } of [full, coarse]) {
    state.release()
    bank.release()
  }
})

softwareTest("a value of another length or type is refused by name", async (context) => {
  const { bank, state } = created(context, "adamw-8bit")
  const stored = await state.read()
  const replaced = (name: string, value: Float32Array | Uint32Array) => () =>
    state.write((asked) => (asked === name ? value : stored.get(asked)!))
  expect(replaced("firstCodes/edge", new Uint32Array(3))).toThrow("firstCodes of edge needs 1024 elements of u32")
  expect(replaced("firstCodes/edge", new Float32Array(1024))).toThrow("firstCodes of edge needs 1024 elements of u32")
  state.release()
  bank.release()
})
