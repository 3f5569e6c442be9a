// How far a job's files have come on their way to this machine, told as the job's progress: before its first step there is no other.
import { Context } from "effect"
import { byteSize, duration } from "#gpu-runner/trainer/quantities.ts"
import type { JobProgress } from "#shared/wire/job.ts"

/** `totalBytes` is Infinity until it is known. */
export type OnFetched = (name: string, doneBytes: number, totalBytes: number) => void

/** Whom a fetch tells how far it is; nobody, where nobody asks. */
export const FetchProgress = Context.Reference<OnFetched>("yohaku/gpu-runner/FetchProgress", {
  defaultValue: () => () => undefined,
})

const TOLD_EVERY_MS = 500

interface Begun {
  readonly bytes: number
  readonly ms: number
}

/** Tells in words, at most twice a second and when a file is there. What an earlier try brought does not count for the rate. */
export const progressInWords = (
  tell: (progress: JobProgress) => void,
  nowMs: () => number = () => performance.now(),
): OnFetched => {
  const begun = new Map<string, Begun>()
  let toldMs = Number.NEGATIVE_INFINITY
  return (name, doneBytes, totalBytes) => {
    const now = nowMs()
    const first = begun.get(name) ?? { bytes: doneBytes, ms: now }
    begun.set(name, first)
    if (now - toldMs < TOLD_EVERY_MS && doneBytes < totalBytes) return
    toldMs = now
    const rate = (1000 * (doneBytes - first.bytes)) / Math.max(1, now - first.ms)
    const isSized = Number.isFinite(totalBytes)
    const of = isSized ? ` of ${byteSize(totalBytes)}` : ""
    const left = isSized && rate > 0 ? `, ${duration((totalBytes - doneBytes) / rate)} left` : ""
    const speed = rate > 0 ? `, ${byteSize(rate)}/s${left}` : ""
    const done = isSized || doneBytes > 0 ? `: ${byteSize(doneBytes)}${of}${speed}` : ""
    tell({ step: 0, steps: 0, message: `fetching ${name}${done}` })
  }
}
