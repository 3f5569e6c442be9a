// Merges as llama.cpp has them for vocabularies from sentencepiece: no list, but a score for each token, of two neighbours that are a
// token together the one with the highest score first. Source: llama.cpp, src/llama-vocab.cpp (llm_tokenizer_spm_session).
import { InvalidGguf } from "#shared/formats/gguf/container.ts"

const SHOWN = (left: string, right: string) => `${JSON.stringify(left)} and ${JSON.stringify(right)}`

/**
 * A score for each token, by which neighbours are merged in the order of the merges: minus the token's place among what is made.
 * Tokens that nothing makes have the lowest. Throws InvalidGguf where scores cannot say what the merges do: a token's merges apart from
 * each other, or two tokens that are one together and are not merged. `isSplitOff` tells tokens that are found before merges are.
 */
export function pieceScores(
  merges: readonly (readonly [left: string, right: string])[],
  idOf: ReadonlyMap<string, number>,
  size: number,
  isSplitOff: (token: string) => boolean,
): Float32Array {
  const refused = (what: string) =>
    new InvalidGguf(
      `llama.cpp merges this kind of vocabulary by scores of tokens, and ${what}; export it as merged for another runtime`,
    )
  const placeOf = new Map<string, number>()
  const listed = new Set<string>()
  let last: string | undefined
  for (const [left, right] of merges) {
    const token = left + right
    if (token !== last && placeOf.has(token)) throw refused(`the merges that make ${JSON.stringify(token)} stand apart`)
    if (!placeOf.has(token)) placeOf.set(token, placeOf.size)
    listed.add(`${left}\n${right.length}\n${right}`)
    last = token
  }
  for (const token of idOf.keys()) {
    if (isSplitOff(token)) continue
    for (const [left, right] of splits(token)) {
      if (idOf.has(left) && idOf.has(right) && !listed.has(`${left}\n${right.length}\n${right}`)) {
        throw refused(`${SHOWN(left, right)} are a token together that no merge makes`)
      }
    }
  }
  const scores = new Float32Array(size).fill(-placeOf.size)
  for (const [token, place] of placeOf) scores[idOf.get(token)!] = -place
  return scores
}

function* splits(token: string): Generator<readonly [string, string]> {
  const characters = [...token]
  let left = ""
  for (const character of characters.slice(0, -1)) {
    left += character
    yield [left, token.slice(left.length)]
  }
}
