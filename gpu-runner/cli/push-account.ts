// What a push has stored at its gateway, in words: at its end, and where it ends early.
import type { PushProgress, PushReport } from "#gpu-runner/client/push-model.ts"
import { byteSize } from "#gpu-runner/trainer/quantities.ts"
import { firstFew } from "#shared/domain/first-few.ts"
import { LIMITS } from "#shared/wire/limits.ts"

const DAY_MS = 24 * 60 * 60 * 1000

export interface PushAccount {
  readonly note: (event: PushProgress) => void
  /** Of a push that ended early, by the gateway's refusal or not: what is there, and how it goes on; undefined where nothing is. */
  readonly unfinished: (isRefused: boolean) => string | undefined
  /** Of one that was registered. */
  readonly finished: (report: PushReport) => string
}

export function pushAccount(): PushAccount {
  const [sent, before]: [string[], string[]] = [[], []]
  let isRegistering = false
  /** Of the file that is under way. */
  let underWay: { readonly file: string; readonly there: number; readonly count: number } | undefined
  return {
    note: (event) => {
      if (event._tag === "Stored") (event.wasBefore ? before : sent).push(event.file)
      if (event._tag === "Stored") underWay = undefined
      if (event._tag === "Registering") isRegistering = true
      if (event._tag === "Sending" && event.parts !== undefined) underWay = { file: event.file, ...event.parts }
    },
    unfinished: (isRefused) => {
      const files = [...before, ...sent]
      const parts =
        underWay === undefined || underWay.there === 0
          ? []
          : [`${underWay.there} of ${underWay.count} parts of ${underWay.file} (for ${LIMITS.uploadMs / DAY_MS} days)`]
      // The same command would be refused again.
      if (isRegistering && isRefused)
        return `nothing was registered; all ${files.length} files are stored at the gateway, and a push that it takes sends only those that differ`
      const there = [...(files.length === 0 ? [] : [firstFew(files)]), ...parts]
      if (there.length === 0) return undefined
      return `nothing was registered yet; stored at the gateway are ${there.join(", ")}, and the same command goes on from there`
    },
    finished: ({ name, version, sentBytes, totalBytes }) => {
      const registered = `${name} version ${version}: `
      const files = `${before.length + sent.length} files, ${byteSize(totalBytes)}`
      if (sentBytes === 0) return `${registered}nothing had to be sent, its ${files}, were stored there`
      if (sentBytes >= totalBytes) return `${registered}${files}, all sent`
      const whole = before.length === 0 ? "" : ` (${firstFew(before)})`
      return `${registered}${files}: ${byteSize(sentBytes)} sent, ${byteSize(totalBytes - sentBytes)} were stored there before${whole}`
    },
  }
}
