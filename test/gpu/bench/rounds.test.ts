// Rounds: who runs when, what is counted, and that both clocks measure the same work.
import { expect } from "vitest"
import { spread, timeInTurn } from "#gpu-runner/bench/rounds.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import { softwareTest } from "../lanes.ts"

softwareTest(
  "subjects run in turn, every other round backwards, and the first round is not counted",
  async (context) => {
    const ran: string[] = []
    const subject = (name: string) => ({ name, run: () => void ran.push(name) })
    const timings = await timeInTurn(context, [subject("a"), subject("b")], {
      rounds: 3,
      deviceClock: false,
      repeats: 2,
    })
    expect(ran.join("")).toBe("aabb" + "bbaa" + "aabb" + "bbaa")
    expect(timings.map(({ samples }) => samples.length)).toEqual([3, 3])
  },
)

softwareTest(
  "the device's clock and the host's agree on a product, whose time the host's includes",
  async (context) => {
    const size = 256
    const a = uploaded(context, new Float32Array(size * size).fill(0.5), [size, size], "a")
    const product = { name: "product", run: () => void matmul(context, a, a) }
    const [device] = await timeInTurn(context, [product], { rounds: 5, deviceClock: true })
    const [host] = await timeInTurn(context, [product], { rounds: 5, deviceClock: false })
    expect(device!.ms.min).toBeGreaterThan(0)
    expect(device!.ms.min).toBeLessThan(host!.ms.max)
  },
)

softwareTest("a spread of an even number of values has the mean of the middle two as its median", () => {
  expect(spread([4, 1, 3, 9])).toEqual({ median: 3.5, min: 1, max: 9 })
  expect(spread([5, 2, 7])).toEqual({ median: 5, min: 2, max: 7 })
})
