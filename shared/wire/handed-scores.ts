// The log-probs of some pairs of a score job, as a runner hands them in: of each pair its chosen and its rejected response, each as a u32
// count and that many f32, little-endian, nats. Whoever takes them holds every one to the job's sheet, before any of them is stored.
import { LIMITS } from "./limits.ts"
import { isLogProb } from "./reference-record.ts"
import type { SheetEntry, SheetResponse } from "./score-sheet.ts"

/** Of one pair. */
export interface HandedScores {
  readonly chosen: ArrayLike<number>
  readonly rejected: ArrayLike<number>
}

/** What was handed in is not what the job asks for; the message names pair and response. */
export class InvalidScores extends Error {
  readonly _tag = "InvalidScores"
}

/** Bytes of a pair in a call. */
export const handedBytes = ({ chosen, rejected }: HandedScores): number => 8 + 4 * (chosen.length + rejected.length)

export const encodeScores = (pairs: readonly HandedScores[]): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(pairs.reduce((sum, pair) => sum + handedBytes(pair), 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { chosen, rejected } of pairs) {
    for (const logProbs of [chosen, rejected]) {
      view.setUint32(at, logProbs.length, true)
      at += 4
      for (let index = 0; index < logProbs.length; index++, at += 4) view.setFloat32(at, logProbs[index]!, true)
    }
  }
  return bytes
}

/** Pairs of a call, without what they hold. Throws InvalidScores. */
export const decodeScores = (bytes: Uint8Array): HandedScores[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const take = (): Float32Array => {
    const left = bytes.length - at
    const count = left < 4 ? Number.POSITIVE_INFINITY : view.getUint32(at, true)
    if (4 + 4 * count > left)
      throw new InvalidScores(`the log-probs end in the middle of a record, at byte ${bytes.length}; send whole pairs`)
    const logProbs = Float32Array.from({ length: count }, (_, index) => view.getFloat32(at + 4 + 4 * index, true))
    at += 4 + 4 * count
    return logProbs
  }
  const pairs: HandedScores[] = []
  while (at < bytes.length) {
    if (pairs.length === LIMITS.pairsPerHandIn)
      throw new InvalidScores(`one call takes the log-probs of at most ${LIMITS.pairsPerHandIn} pairs; send fewer`)
    pairs.push({ chosen: take(), rejected: take() })
  }
  if (pairs.length === 0) throw new InvalidScores("the call holds no log-probs; send those of at least one pair")
  return pairs
}

const checkOne = (logProbs: ArrayLike<number>, { tokens }: SheetResponse, name: string): void => {
  if (logProbs.length !== tokens)
    throw new InvalidScores(
      `${name} has ${tokens} tokens and ${logProbs.length} log-probs came for it; nothing of the call is stored: update the runner`,
    )
  const bad = Array.from(logProbs).findIndex((value) => !isLogProb(value))
  if (bad >= 0)
    throw new InvalidScores(
      `token ${bad} of ${name} has the log-prob ${logProbs[bad]}, which is none; nothing of the call is stored: look whether the model's weights are sound (yohaku score on its folder says the same)`,
    )
}

/** Holds pairs from number `from` on to their entries. Throws InvalidScores for the first that differs. */
export const checkScores = (pairs: readonly HandedScores[], entries: readonly SheetEntry[], from: number): void => {
  pairs.forEach(({ chosen, rejected }, index) => {
    const entry = entries[index]
    if (entry === undefined)
      throw new InvalidScores(
        `the job has ${from + entries.length} pairs, and log-probs came for more; update the runner`,
      )
    checkOne(chosen, entry.chosen, `the chosen response of pair ${from + index}`)
    checkOne(rejected, entry.rejected, `the rejected response of pair ${from + index}`)
  })
}
