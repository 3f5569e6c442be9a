// Rows laid out as the device takes them: `[prompt | chosen | rejected]` back to back, no padding. Both first response tokens are
// predicted by the last prompt token. Pure host code.
import type { PairLengths } from "#gpu-runner/ops/attention/attention-layout.ts"

/** A prompt's token ids and those of its two responses, either of which may be empty. */
export interface RowIds {
  readonly promptIds: Uint32Array
  readonly chosenIds: Uint32Array
  readonly rejectedIds: Uint32Array
}

/** The laid-out rows of one micro-batch, on the host. */
export interface LaidOutRows {
  /** u32 [T] */
  readonly tokenIds: Uint32Array
  readonly rows: readonly PairLengths[]
  /** u32 [R]: index into tokenIds of the token that predicts each scored token; the last prompt token serves both responses. */
  readonly predictionRows: Uint32Array
  /** u32 [R]: the scored token ids, row by row, chosen before rejected. */
  readonly targets: Uint32Array
  /** [rows + 1]: where each row's scored tokens start in the two arrays above. */
  readonly scoredOffsets: Uint32Array
}

/** The same rows with each response's last token alone predicting, chosen before rejected: for heads that read the end of a text. */
export function atLastTokens(laidOut: LaidOutRows): LaidOutRows {
  const { rows } = laidOut
  const predictionRows = new Uint32Array(2 * rows.length)
  let end = 0
  rows.forEach(({ promptLength, chosenLength, rejectedLength }, index) => {
    predictionRows[2 * index] = end + promptLength + chosenLength - 1
    end += promptLength + chosenLength + rejectedLength
    predictionRows[2 * index + 1] = end - 1
  })
  const scoredOffsets = Uint32Array.from({ length: rows.length + 1 }, (_, index) => 2 * index)
  // No head of the vocabulary reads them.
  return { ...laidOut, predictionRows, targets: new Uint32Array(predictionRows.length), scoredOffsets }
}

/** The layout of some rows, in their order. */
export function layOutRows(rows: readonly RowIds[]): LaidOutRows {
  const lengths = rows.map(({ promptIds, chosenIds, rejectedIds }) => ({
    promptLength: promptIds.length,
    chosenLength: chosenIds.length,
    rejectedLength: rejectedIds.length,
  }))
  const scored = lengths.reduce((sum, { chosenLength, rejectedLength }) => sum + chosenLength + rejectedLength, 0)
  const tokenIds = new Uint32Array(lengths.reduce((sum, { promptLength }) => sum + promptLength, scored))
  const predictionRows = new Uint32Array(scored)
  const targets = new Uint32Array(scored)
  const scoredOffsets = new Uint32Array(rows.length + 1)
  let token = 0
  let target = 0
  const place = (ids: Uint32Array, lastPromptToken: number) => {
    ids.forEach((_, i) => {
      predictionRows[target + i] = i === 0 ? lastPromptToken : token + i - 1
    })
    targets.set(ids, target)
    tokenIds.set(ids, token)
    token += ids.length
    target += ids.length
  }
  rows.forEach(({ promptIds, chosenIds, rejectedIds }, index) => {
    tokenIds.set(promptIds, token)
    token += promptIds.length
    const lastPromptToken = token - 1
    place(chosenIds, lastPromptToken)
    place(rejectedIds, lastPromptToken)
    scoredOffsets[index + 1] = target
  })
  return { tokenIds, rows: lengths, predictionRows, targets, scoredOffsets }
}
