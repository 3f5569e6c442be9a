// Merges as llama.cpp has them for vocabularies from sentencepiece: no list, but a score for each token, of two neighbours that are a
// token together the one with the highest score first. Source: llama.cpp, src/llama-vocab.cpp (llm_tokenizer_spm_session).
import { InvalidGguf } from "#shared/formats/gguf/container.ts"

export type Merge = readonly [left: string, right: string]

const keyOf = (left: string, right: string) => `${left.length} ${left}${right}`

/**
 * A score for each token, by which neighbours are merged in the order of the merges: minus the token's place among what is made.
 * Tokens that nothing makes have the lowest. Throws InvalidGguf where scores cannot say what the merges do: a token's merges apart from
 * each other, or two tokens that are one together and are not merged. `isSplitOff` tells tokens that are found before merges are.
 */
export function pieceScores(
  merges: readonly Merge[],
  idOf: ReadonlyMap<string, number>,
  size: number,
  isSplitOff: (token: string) => boolean,
): Float32Array {
  const placeOf = new Map<string, number>()
  const rankOf = new Map<string, number>()
  const apart = new Set<string>()
  let last: string | undefined
  for (const [rank, [left, right]] of merges.entries()) {
    const token = left + right
    if (token !== last && placeOf.has(token) && !isSplitOff(token)) apart.add(token)
    if (!placeOf.has(token)) placeOf.set(token, placeOf.size)
    rankOf.set(keyOf(left, right), rank)
    last = token
  }
  checkRuns(apart, placeOf, rankOf)
  for (const token of idOf.keys()) {
    if (isSplitOff(token)) continue
    for (const [left, right] of splits(token)) {
      if (idOf.has(left) && idOf.has(right) && !rankOf.has(keyOf(left, right))) {
        throw refused(`${JSON.stringify(left)} and ${JSON.stringify(right)} are a token together that no merge makes`)
      }
    }
  }
  const scores = new Float32Array(size).fill(-placeOf.size)
  for (const [token, place] of placeOf) scores[idOf.get(token)!] = -place
  return scores
}

function refused(what: string): InvalidGguf {
  return new InvalidGguf(
    `llama.cpp merges this kind of vocabulary by scores of tokens, and ${what}; export it as merged for another runtime`,
  )
}

function* splits(token: string): Generator<Merge> {
  let left = ""
  for (const character of [...token].slice(0, -1)) {
    left += character
    yield [left, token.slice(left.length)]
  }
}

/**
 * Gemma lists the merges of runs of spaces by their parts' lengths, so that those of one token stand apart. Runs are short enough to
 * try: all up to twice the longest token must come out the same by scores as by the merges. Others that stand apart are refused.
 */
function checkRuns(
  apart: ReadonlySet<string>,
  placeOf: ReadonlyMap<string, number>,
  rankOf: ReadonlyMap<string, number>,
): void {
  const longest = new Map<string, number>()
  for (const token of apart) {
    const [first = "", ...others] = token
    if (!others.every((character) => character === first)) {
      throw refused(`the merges that make ${JSON.stringify(token)} stand apart`)
    }
    longest.set(first, Math.max(longest.get(first) ?? 0, others.length + 1))
  }
  for (const [character, length] of longest) {
    for (let count = 2; count <= 2 * length + 1; count++) {
      const run = Array.from({ length: count }, () => character)
      const byRank = merged(run, (left, right) => rankOf.get(keyOf(left, right)))
      const byPlace = merged(run, (left, right) => placeOf.get(left + right))
      if (byRank.join("\n") !== byPlace.join("\n"))
        throw refused(`${count} times ${JSON.stringify(character)} is cut otherwise so`)
    }
  }
}

/** Merges the leftmost of the neighbours that come first until none do. */
function merged(symbols: readonly string[], orderOf: (left: string, right: string) => number | undefined): string[] {
  const left = [...symbols]
  for (;;) {
    let best = -1
    let first = Number.POSITIVE_INFINITY
    for (let at = 0; at + 1 < left.length; at++) {
      const order = orderOf(left[at]!, left[at + 1]!)
      if (order !== undefined && order < first) [best, first] = [at, order]
    }
    if (best < 0) return left
    left.splice(best, 2, left[best]! + left[best + 1]!)
  }
}
