// Waiting for a device leaves the event loop alive, and ends when the promise does.
import { expect, test, vi } from "vitest"
import { throttledWait } from "#gpu-runner/device/throttled-wait.ts"

const after = (ms: number) => new Promise<string>((resolve) => setTimeout(() => resolve("done"), ms))

test("a wait passes values and rejections on, also of what is settled already", async () => {
  const pauses = { mostMs: 0.2, shareOfWait: 1 }
  expect(await throttledWait(Promise.resolve(7), pauses)).toBe(7)
  expect(await throttledWait(after(5), pauses)).toBe("done")
  await expect(throttledWait(Promise.reject(new Error("lost")), pauses)).rejects.toThrow("lost")
})

test("timers are served during a wait: ten of 5 ms within one of 200 ms", async () => {
  let beats = 0
  const timer = setInterval(() => beats++, 5)
  await throttledWait(after(200), { mostMs: 0.2, shareOfWait: 1 })
  clearInterval(timer)
  expect(beats).toBeGreaterThanOrEqual(10)
})

test("pauses grow with the wait up to their limit; a wait that must be prompt has none", async () => {
  const sleeps = vi.spyOn(Atomics, "wait")
  const pausesOf = async (shareOfWait: number) => {
    sleeps.mockClear()
    await throttledWait(after(60), { mostMs: 0.5, shareOfWait })
    return sleeps.mock.calls.map(([, , , pauseMs]) => pauseMs!)
  }
  const long = await pausesOf(0.01)
  expect(long.length).toBeGreaterThan(1)
  expect(long.at(-1)!).toBeGreaterThan(long[0]!)
  expect(Math.max(...long)).toBeLessThanOrEqual(0.5)
  expect(Math.max(...(await pausesOf(1)))).toBe(0.5)
  expect(await pausesOf(0)).toEqual([])
  sleeps.mockRestore()
})
