// Reference: pairs laid out `[prompt | chosen | rejected]`, one after another: their ids, positions, and which row predicts which token.

export interface ReferencePair {
  readonly promptIds: ArrayLike<number>
  readonly chosenIds: ArrayLike<number>
  readonly rejectedIds: ArrayLike<number>
}

/** [T] */
export function tokenIds(pairs: readonly ReferencePair[]): Uint32Array {
  return Uint32Array.from(
    pairs.flatMap(({ promptIds, chosenIds, rejectedIds }) =>
      [promptIds, chosenIds, rejectedIds].flatMap((part) => Array.from(part)),
    ),
  )
}

/** [T]: both responses count on from the prompt. */
export function positions(pairs: readonly ReferencePair[]): Uint32Array {
  const from = (first: number, ids: ArrayLike<number>) => Array.from({ length: ids.length }, (_, i) => first + i)
  return Uint32Array.from(
    pairs.flatMap(({ promptIds, chosenIds, rejectedIds }) => [
      ...from(0, promptIds),
      ...from(promptIds.length, chosenIds),
      ...from(promptIds.length, rejectedIds),
    ]),
  )
}

/** Every response token is predicted by the token before it; both first tokens by the last prompt token. Both [R]. */
export function predictions(pairs: readonly ReferencePair[]): { rows: Uint32Array; targets: Uint32Array } {
  const predicting: number[] = []
  const targets: number[] = []
  let start = 0
  for (const { promptIds, chosenIds, rejectedIds } of pairs) {
    const lastPrompt = start + promptIds.length - 1
    for (const [ids, first] of [
      [chosenIds, lastPrompt + 1],
      [rejectedIds, lastPrompt + 1 + chosenIds.length],
    ] as const) {
      for (let i = 0; i < ids.length; i++) {
        predicting.push(i === 0 ? lastPrompt : first + i - 1)
        targets.push(ids[i]!)
      }
    }
    start += promptIds.length + chosenIds.length + rejectedIds.length
  }
  return { rows: Uint32Array.from(predicting), targets: Uint32Array.from(targets) }
}
