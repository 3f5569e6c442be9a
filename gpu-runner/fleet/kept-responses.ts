// The responses of a generate job, kept at the gateway while they are made: a runner that takes the job up has those that another one finished, and keeps
// its own. The gateway and the files of this machine begin with the same ones.
import { readFileSync } from "node:fs"
import { Schema } from "effect"
import type { ResponseFile } from "#gpu-runner/data/rows/response-file.ts"
import { Count } from "#shared/domain/bounds.ts"
import { Answers, decodeResponses } from "#shared/wire/responses.ts"
import { JobFailed } from "./job-failure.ts"
import type { JobKeeping } from "./job-keeping.ts"

/** Seconds' work that is lost with a runner; a device that answers quickly makes a call no more often. */
export const KEPT_EVERY_MS = 5000

const KeptAnswers = Schema.Struct({ voice: Count, ...Answers.fields })
const decode = Schema.decodeUnknownSync(KeptAnswers)

/** A voice's responses on this machine. */
export interface VoiceFile {
  readonly path: string
  readonly file: ResponseFile
}

/**
 * Everything that either has is then in both, in the order of `ids`, and what is written is kept. Nobody waits for that: a job that is done keeps nothing,
 * and one whose lease is lost hears of it by its heartbeat. Throws JobFailed where what is kept is not of these prompts.
 */
export function keptResponses(
  voices: readonly VoiceFile[],
  ids: readonly (string | number)[],
  { texts, add, fits }: JobKeeping,
): VoiceFile[] {
  const kept = texts.map((text) => decode(JSON.parse(text)))
  const keep = (voice: number, { id, responses }: Answers): boolean => {
    const text = JSON.stringify({ voice, id, responses })
    if (!fits(text)) return false
    add(text).catch(() => undefined)
    return true
  }
  return voices.map(({ path, file }, voice): VoiceFile => {
    const own = kept.filter((answers) => answers.voice === voice)
    if (own.some(({ id }, index) => id !== ids[index]))
      throw new JobFailed("what the job keeps is not of its prompts; start it again", { retryable: false })
    for (const { id, responses } of own.slice(file.done)) file.write(id, responses)
    const lacking = file.done > own.length ? decodeResponses(readFileSync(path)).slice(own.length, file.done) : []
    // What is too much to keep ends it for the voice: what is kept begins at its first prompt, and has no gaps.
    let isKept = lacking.every((answers) => keep(voice, answers))
    const write: ResponseFile["write"] = (id, responses) => {
      file.write(id, responses)
      if (isKept) isKept = keep(voice, { id, responses })
    }
    return { path, file: { done: Math.max(file.done, own.length), write, close: file.close } }
  })
}
