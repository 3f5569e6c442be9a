// Merges as llama.cpp has them for vocabularies from sentencepiece: no list, but a score for each token, of two neighbours that are a
// token together the one with the highest score first. Source: llama.cpp, src/llama-vocab.cpp (llm_tokenizer_spm_session).
import { InvalidGguf } from "#shared/formats/gguf/container.ts"

export type Merge = readonly [left: string, right: string]

/**
 * A score for each token, by which neighbours are merged in the order of the merges: minus the token's place among what is made.
 * Tokens that nothing makes have the lowest. Throws InvalidGguf where scores cannot say what the merges do: a token's merges apart from
 * each other, or two tokens that are one together and are not merged. No merge may stand twice. `isSplitOff` tells tokens that are found before merges are.
 */
export function pieceScores(
  merges: readonly Merge[],
  idOf: ReadonlyMap<string, number>,
  size: number,
  isSplitOff: (token: string) => boolean,
): Float32Array {
  const placeOf = new Map<string, number>()
  const waysTo = new Map<string, number>()
  const apart = new Set<string>()
  let last: string | undefined
  for (const [left, right] of merges) {
    const token = left + right
    const known = waysTo.get(token)
    if (known === undefined) placeOf.set(token, placeOf.size)
    else if (token !== last && !isSplitOff(token)) apart.add(token)
    waysTo.set(token, (known ?? 0) + 1)
    last = token
  }
  checkRuns(apart, placeOf, merges)
  for (const token of idOf.keys()) {
    if (!isSplitOff(token)) checkAllMerged(token, waysTo.get(token) ?? 0, idOf)
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

/** All merges are of tokens that there are, so that counting them tells whether one is missing. */
function checkAllMerged(token: string, ways: number, idOf: ReadonlyMap<string, number>): void {
  let parted = 0
  for (let at = widthAt(token, 0); at < token.length; at += widthAt(token, at)) {
    if (idOf.has(token.slice(0, at)) && idOf.has(token.slice(at))) parted++
  }
  if (parted !== ways)
    throw refused(`of the ${parted} ways to make ${JSON.stringify(token)} of two tokens, ${ways} are merges`)
}

function widthAt(text: string, at: number): number {
  return text.codePointAt(at)! > 0xffff ? 2 : 1
}

/**
 * Gemma lists the merges of runs of spaces by their parts' lengths, so that those of one token stand apart. Runs are short enough to
 * try: all up to twice the longest token must come out the same by scores as by the merges. Others that stand apart are refused.
 */
function checkRuns(apart: ReadonlySet<string>, placeOf: ReadonlyMap<string, number>, merges: readonly Merge[]): void {
  const longest = new Map<string, number>()
  for (const token of apart) {
    const [first = "", ...others] = token
    if (!others.every((character) => character === first)) {
      throw refused(`the merges that make ${JSON.stringify(token)} stand apart`)
    }
    longest.set(first, Math.max(longest.get(first) ?? 0, others.length + 1))
  }
  if (apart.size === 0) return
  const keyOf = (left: string, right: string) => `${left} ${right}`
  const rankOf = new Map<string, number>()
  for (const [rank, [left, right]] of merges.entries()) {
    const [first = ""] = left
    const isOfRuns = longest.has(first) && (left + right).replaceAll(first, "") === ""
    if (isOfRuns) rankOf.set(keyOf(left, right), rank)
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
