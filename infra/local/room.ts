// Room on the disk of a state directory: what died of a full disk is not started again before there is some.
import { statfsSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { StateUnusable } from "./state-file.ts"

/** The workers' databases grow by steps of some megabytes as they start. */
const NEEDED_BYTES = 8 * 2 ** 20
const LOOK_INTERVAL_MS = 5000

/** Endless where it cannot be told, as of a folder that is gone: who writes there then says what is wrong. */
const freeBytesOf = (directory: string): number => {
  try {
    const { bavail, bsize } = statfsSync(directory)
    return bavail * bsize
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** Throws `StateUnusable` where a start would find too little room. */
export const requireRoom = (directory: string, freeBytes: (directory: string) => number = freeBytesOf): void => {
  const free = freeBytes(directory)
  if (free >= NEEDED_BYTES) return
  throw new StateUnusable(
    `the disk of the state directory ${directory} has ${(free / 2 ** 20).toFixed(1)} MiB free, and a system needs ${NEEDED_BYTES / 2 ** 20} to start: free some of it, or choose another with --state DIRECTORY`,
  )
}

/** Resolves, true where it had to wait, when there is room, or with the signal. A wait is told once. */
export const untilRoom = async (
  directory: string,
  say: (line: string) => void,
  signal: AbortSignal,
  freeBytes: (directory: string) => number = freeBytesOf,
  lookIntervalMs = LOOK_INTERVAL_MS,
): Promise<boolean> => {
  if (freeBytes(directory) >= NEEDED_BYTES) return false
  say(`the disk of ${directory} is full; it goes on by itself when ${NEEDED_BYTES / 2 ** 20} MiB are free`)
  while (!signal.aborted && freeBytes(directory) < NEEDED_BYTES)
    await sleep(lookIntervalMs, undefined, { signal }).catch(() => undefined)
  return true
}
