// Waiting for a device leaves the event loop alive, and ends when the promise does.
import { expect, test } from "vitest"
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

test("a long wait sleeps for most of its time, and one that must be prompt does not sleep at all", async () => {
  const cpuShare = async (shareOfWait: number) => {
    const before = process.cpuUsage()
    await throttledWait(after(200), { mostMs: 1, shareOfWait })
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 200_000
  }
  const [sleeping, polling] = [await cpuShare(1), await cpuShare(0)]
  expect(sleeping).toBeLessThan(polling / 2)
})
