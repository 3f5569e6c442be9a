// A timed recorder tells what ran, in order, with times that lie one after another, and changes no result.
import { expect } from "vitest"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { DispatchTimer, type TimerClock } from "#gpu-runner/device/dispatch-timer.ts"
import { readback, upload, uploaded } from "#gpu-runner/device/transfer.ts"
import { add, scale } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { softwareTest } from "./lanes.ts"

/** A sum in one phase, then `count` scalings in another. */
async function timed(context: OpContext, clock: TimerClock, count: number) {
  const { gpu, recorder } = context
  const timer = new DispatchTimer(gpu, clock)
  const input = uploaded(context, new Float32Array(256).fill(1), [256], "input")
  recorder.timeDispatches(timer)
  let output = recorder.withinPhase("sums", () => add(context, input, input))
  for (let i = 0; i < count; i++) output = recorder.withinPhase("factors", () => scale(context, output, 1))
  recorder.timeDispatches(undefined)
  scale(context, output, 1)
  const [values] = await readback(context, [output])
  const dispatches = await timer.read()
  const more = await timer.read()
  timer.destroy()
  return { values, dispatches, more }
}

for (const clock of ["timestamp", "queue"] as const) {
  // 300 scalings are more than one command buffer holds.
  softwareTest(
    `by the ${clock} clock dispatches are timed in their order, with their phases, once each`,
    async ({ gpu }) => {
      const { values, dispatches, more } = await timed(createContext(gpu), clock, 300)
      expect(values).toEqual(new Float32Array(256).fill(2))
      expect(dispatches.map(({ phase }) => phase)).toEqual(["sums", ...Array<string>(300).fill("factors")])
      expect(new Set(dispatches.slice(1).map(({ kernel }) => kernel.name)).size).toBe(1)
      expect(more).toEqual([])
      dispatches.forEach(({ startMs, endMs }, index) => {
        expect(endMs).toBeGreaterThanOrEqual(startMs)
        if (index > 0) expect(startMs).toBeGreaterThanOrEqual(dispatches[index - 1]!.endMs)
      })
      expect(dispatches.at(-1)!.endMs).toBeGreaterThan(dispatches[0]!.startMs)
    },
  )
}

for (const clock of ["timestamp", "queue"] as const) {
  softwareTest(`by the ${clock} clock no write overtakes a timed dispatch that reads the tensor`, async ({ gpu }) => {
    const context = createContext(gpu)
    const timer = new DispatchTimer(gpu, clock)
    const [input, other] = [0, 1].map((index) => uploaded(context, new Float32Array(256), [256], `input${index}`))
    // Pipelines are there from here on, so that the dispatches below are encoded as they come.
    await readback(context, [scale(context, input!, 1)])
    context.recorder.timeDispatches(timer)
    const outputs = [0, 1, 2].map((value) => {
      upload(context, input!, new Float32Array(256).fill(value))
      scale(context, other!, 1)
      return scale(context, input!, 1)
    })
    context.recorder.timeDispatches(undefined)
    const values = await readback(context, outputs)
    expect(values.map((output) => output[0])).toEqual([0, 1, 2])
    await timer.read()
    timer.destroy()
  })
}

softwareTest("timestamps are finer than Dawn's default of 65,536 ns", async ({ gpu }) => {
  const { dispatches } = await timed(createContext(gpu), "timestamp", 20)
  const nanoseconds = dispatches.map(({ startMs, endMs }) => Math.round((endMs - startMs) * 1e6))
  expect(nanoseconds.some((duration) => duration > 0 && duration % 65_536 !== 0)).toBe(true)
})
