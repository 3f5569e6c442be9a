// A start that takes long is told of while it lasts, and no longer.
import { afterEach, expect, it, vi } from "vitest"
import { tellingHowLong } from "#infra/local/telling-how-long.ts"

afterEach(() => {
  vi.useRealTimers()
})

it.each(["is done", "has failed", "is stopped"] as const)(
  "work is told of every five seconds until it %s",
  async (end) => {
    vi.useFakeTimers()
    const said: string[] = []
    const stopping = new AbortController()
    const work = tellingHowLong("starting", { say: (line) => said.push(line), signal: stopping.signal }, async () => {
      await new Promise((resolve) => setTimeout(resolve, end === "is stopped" ? 30_000 : 12_000))
      if (end === "has failed") throw new Error("no workers")
      return 3
    }).catch(({ message }: Error) => message)
    await vi.advanceTimersByTimeAsync(4999)
    expect(said).toEqual([])
    await vi.advanceTimersByTimeAsync(7000)
    if (end === "is stopped") stopping.abort()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await work).toBe(end === "has failed" ? "no workers" : 3)
    expect(said).toEqual(["starting: 5 s", "starting: 10 s"])
    expect(vi.getTimerCount()).toBe(0)
  },
)
