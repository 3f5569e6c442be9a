// A full disk cannot be had without rights: what the kernel says of one is stood in for.
import { tmpdir } from "node:os"
import path from "node:path"
import { expect, it } from "vitest"
import { requireRoom, untilRoom } from "#infra/local/room.ts"
import { StateUnusable } from "#infra/local/state-file.ts"

const MEBIBYTE = 2 ** 20

it("goes on at once where there is room, else when there is or when it is told to end, and tells the wait once", async () => {
  const lines: string[] = []
  const say = (line: string) => lines.push(line)
  expect(await untilRoom(tmpdir(), say, new AbortController().signal, () => 8 * MEBIBYTE)).toBe(false)
  expect(lines).toEqual([])
  const stop = new AbortController()
  const waiting = untilRoom(tmpdir(), say, stop.signal, () => 8 * MEBIBYTE - 1)
  stop.abort()
  expect(await waiting).toBe(true)
  expect(lines).toEqual([`the disk of ${tmpdir()} is full; it goes on by itself when 8 MiB are free`])
  const looks = [0, 0, 9 * MEBIBYTE]
  const soon = new AbortController()
  expect(await untilRoom(tmpdir(), say, soon.signal, () => looks.shift()!, 1)).toBe(true)
  expect([soon.signal.aborted, looks]).toEqual([false, []])
})

it("a start on a disk with too little room is refused, with how much is needed", () => {
  expect(() => requireRoom("/state", () => 8 * MEBIBYTE)).not.toThrow()
  expect(() => requireRoom("/state", () => 8 * MEBIBYTE - 1)).toThrow(StateUnusable)
  expect(() => requireRoom("/state", () => 3.5 * MEBIBYTE)).toThrow(
    "the disk of the state directory /state has 3.5 MiB free, and a system needs 8 to start: free some of it, or choose another with --state DIRECTORY",
  )
})

it("a folder that is gone is not waited for: who writes there says what is wrong", async () => {
  const gone = path.join(tmpdir(), "yohaku-that-is-gone", "state")
  expect(await untilRoom(gone, () => undefined, new AbortController().signal)).toBe(false)
})

it("sees the room that this disk has", async () => {
  expect(await untilRoom(tmpdir(), () => undefined, new AbortController().signal)).toBe(false)
})
