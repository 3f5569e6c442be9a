// Held-out prompts that nearly repeat a trained one: they are other prompts, so the split is right, and yet their accuracy
// tells what was remembered. MinHash over shingles of token ids (Broder, "On the resemblance and containment of documents",
// 1997) finds candidates, whose resemblance is then counted exactly: nothing is near by chance of a hash.

/** Shared shingles over all shingles of the two (Jaccard), at least. A prompt of 20 tokens stays near with one token changed. */
export const NEAR_DUPLICATE_RESEMBLANCE = 0.7

const SHINGLE_TOKENS = 3
/** Of 24 bands of 3 hashes, two prompts of resemblance 0.7 share one with probability 1 − (1 − 0.7³)²⁴ = 0.99996. */
const BANDS = 24
const HASHES_PER_BAND = 3

type Ids = ArrayLike<number>

/** 32-bit mixing of two words (the finaliser of MurmurHash3). */
const mix = (a: number, b: number): number => {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ b
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Prompts that may be read anew at every look: nothing here keeps them. An array is some. */
export interface Prompts extends Iterable<Ids> {
  readonly length: number
  at(index: number): Ids | undefined
}

/** The tokens that all prompts begin and end with say nothing: what a template writes around each. */
const frameOf = (...lists: readonly Prompts[]): { readonly start: number; readonly end: number } => {
  let first: Ids | undefined
  let count = 0
  let [shortest, start, end] = [0, 0, 0]
  for (const prompts of lists) {
    for (const ids of prompts) {
      count += 1
      if (first === undefined) {
        first = ids
        shortest = start = end = ids.length
        continue
      }
      shortest = Math.min(shortest, ids.length)
      start = Math.min(start, shortest)
      end = Math.min(end, shortest)
      for (let at = 0; at < start; at++) if (ids[at] !== first[at]) start = at
      for (let at = 0; at < end; at++) if (ids[ids.length - 1 - at] !== first[first.length - 1 - at]) end = at
    }
  }
  return count < 2 ? { start: 0, end: 0 } : { start, end: Math.min(end, shortest - start) }
}

/** Runs of three ids, as hashes; the whole where there are fewer. */
const shinglesOf = (ids: Ids, start: number, end: number): ReadonlySet<number> => {
  const shingles = new Set<number>()
  const last = Math.max(start, ids.length - end - SHINGLE_TOKENS)
  for (let from = start; from <= last; from++) {
    let hash = 0
    for (let at = from; at < Math.min(from + SHINGLE_TOKENS, ids.length - end); at++) hash = mix(hash, ids[at]!)
    shingles.add(hash)
  }
  return shingles
}

/** One key a band: prompts that share one are candidates. */
const bandsOf = (shingles: ReadonlySet<number>): readonly number[] =>
  Array.from({ length: BANDS }, (_, band) => {
    let key = band
    for (let hash = 0; hash < HASHES_PER_BAND; hash++) {
      const seed = band * HASHES_PER_BAND + hash + 1
      let least = 2 ** 32
      for (const shingle of shingles) least = Math.min(least, mix(seed, shingle))
      key = mix(key, least)
    }
    return key
  })

const resemblance = (a: ReadonlySet<number>, b: ReadonlySet<number>): number => {
  let shared = 0
  for (const shingle of a) if (b.has(shingle)) shared += 1
  return shared / (a.size + b.size - shared)
}

/** The held-out prompts of one band, sorted by their keys: eight bytes a prompt. */
interface Band {
  readonly keys: Uint32Array
  readonly members: Uint32Array
}

/** Where a key begins in a sorted list, or would. */
const lowerBound = (keys: Uint32Array, key: number): number => {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

/** Sorted by key, and by member within a key. */
const sortedBand = (keys: Uint32Array): Band => {
  const members = Uint32Array.from(keys, (_, member) => member).sort((a, b) => keys[a]! - keys[b]! || a - b)
  return { keys: keys.map((_, at) => keys[members[at]!]!), members }
}

/** Members that share a band with these keys. */
const candidatesOf = (bands: readonly Band[], keys: readonly number[]): ReadonlySet<number> => {
  const found = new Set<number>()
  for (const [band, key] of keys.entries()) {
    const of = bands[band]!
    for (let at = lowerBound(of.keys, key); of.keys[at] === key; at++) found.add(of.members[at]!)
  }
  return found
}

/**
 * For every held-out prompt, in order: which trained one it is at least `NEAR_DUPLICATE_RESEMBLANCE` like, the first of them, equal
 * ones too; undefined for none. A function of the two lists of token ids alone. Memory is 200 bytes a held-out prompt, time goes by all;
 * both lists are passed over twice, and candidates are looked at again.
 */
export const nearTrainedPrompts = (trained: Prompts, heldOut: Prompts): readonly (number | undefined)[] => {
  const nearTo = Array.from<number | undefined>({ length: heldOut.length })
  if (heldOut.length === 0 || trained.length === 0) return nearTo
  const { start, end } = frameOf(trained, heldOut)
  const keys = Array.from({ length: BANDS }, () => new Uint32Array(heldOut.length))
  let member = 0
  for (const ids of heldOut) {
    for (const [band, key] of bandsOf(shinglesOf(ids, start, end)).entries()) keys[band]![member] = key
    member += 1
  }
  const bands = keys.map(sortedBand)
  let index = 0
  for (const ids of trained) {
    const shingles = shinglesOf(ids, start, end)
    for (const candidate of candidatesOf(bands, bandsOf(shingles))) {
      if (nearTo[candidate] !== undefined) continue
      const other = shinglesOf(heldOut.at(candidate)!, start, end)
      if (resemblance(shingles, other) >= NEAR_DUPLICATE_RESEMBLANCE) nearTo[candidate] = index
    }
    index += 1
  }
  return nearTo
}

/** For every held-out prompt, in order: whether it is near to a trained one. */
export const nearDuplicates = (trained: Prompts, heldOut: Prompts): readonly boolean[] =>
  nearTrainedPrompts(trained, heldOut).map((trainedIndex) => trainedIndex !== undefined)
