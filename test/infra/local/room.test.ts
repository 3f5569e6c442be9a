import { tmpdir } from "node:os"
import { expect, it, vi } from "vitest"

const { statfsSync } = vi.hoisted(() => ({ statfsSync: vi.fn() }))
vi.mock("node:fs", async (original) => ({ ...(await original<typeof import("node:fs")>()), statfsSync }))
const { untilRoom } = await import("#infra/local/room.ts")

// A full disk cannot be had without rights: what the kernel says of one is stood in for.
const free = (mebibytes: number) => ({ bavail: mebibytes * 256, bsize: 4096 })

it("goes on at once where there is room, else when there is or when it is told to end, and tells the wait once", async () => {
  const lines: string[] = []
  const say = (line: string) => lines.push(line)
  statfsSync.mockReturnValue(free(8))
  expect(await untilRoom(tmpdir(), say, new AbortController().signal)).toBe(false)
  expect(lines).toEqual([])
  statfsSync.mockReturnValue(free(7))
  const stop = new AbortController()
  const waiting = untilRoom(tmpdir(), say, stop.signal)
  stop.abort()
  expect(await waiting).toBe(true)
  expect(lines).toEqual([`the disk of ${tmpdir()} is full; it goes on by itself when 8 MiB are free`])
  statfsSync.mockReturnValueOnce(free(0)).mockReturnValueOnce(free(0)).mockReturnValue(free(9))
  const soon = new AbortController()
  expect(await untilRoom(tmpdir(), say, soon.signal)).toBe(true)
  expect(soon.signal.aborted).toBe(false)
})
