// A start that takes long is told of while it lasts, and no longer.
import { afterEach, expect, it, vi } from "vitest"
import { tellingHowLong } from "#infra/local/telling-how-long.ts"

afterEach(() => {
  vi.useRealTimers()
})

it.each(["done", "failed"] as const)("work is told of every five seconds until it is %s", async (end) => {
  vi.useFakeTimers()
  const said: string[] = []
  const work = tellingHowLong(
    "starting",
    (line) => said.push(line),
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 12_000))
      if (end === "failed") throw new Error("no workers")
      return 3
    },
  ).catch(({ message }: Error) => message)
  await vi.advanceTimersByTimeAsync(4999)
  expect(said).toEqual([])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await work).toBe(end === "done" ? 3 : "no workers")
  expect(said).toEqual(["starting: 5 s", "starting: 10 s"])
})
