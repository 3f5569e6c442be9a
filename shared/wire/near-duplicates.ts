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

/** The tokens that all prompts begin and end with say nothing: what a template writes around each. */
const frameOf = (prompts: readonly Ids[]): { readonly start: number; readonly end: number } => {
  const [first, ...others] = prompts
  if (first === undefined || others.length === 0) return { start: 0, end: 0 }
  const shortest = prompts.reduce((least, { length }) => Math.min(least, length), first.length)
  let start = 0
  while (start < shortest && others.every((ids) => ids[start] === first[start])) start += 1
  let end = 0
  const isShared = (ids: Ids) => ids[ids.length - 1 - end] === first[first.length - 1 - end]
  while (end < shortest - start && others.every(isShared)) end += 1
  return { start, end }
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

interface Member {
  readonly shingles: ReadonlySet<number>
  nearTo?: number
}

/**
 * For every held-out prompt, in order: which trained one it is at least `NEAR_DUPLICATE_RESEMBLANCE` like, the first of them, equal
 * ones too; undefined for none. A function of the two lists of token ids alone. Memory goes by the held-out ones, time by all.
 */
export const nearTrainedPrompts = (
  trained: readonly Ids[],
  heldOut: readonly Ids[],
): readonly (number | undefined)[] => {
  const { start, end } = frameOf([...trained, ...heldOut])
  const members = heldOut.map((ids): Member => ({ shingles: shinglesOf(ids, start, end) }))
  const bands = Array.from({ length: BANDS }, () => new Map<number, Member[]>())
  for (const member of members) {
    bandsOf(member.shingles).forEach((key, band) => {
      const others = bands[band]!.get(key)
      if (others === undefined) bands[band]!.set(key, [member])
      else others.push(member)
    })
  }
  for (const [index, ids] of (heldOut.length === 0 ? [] : trained).entries()) {
    const shingles = shinglesOf(ids, start, end)
    const candidates = bandsOf(shingles).flatMap((key, band) => bands[band]!.get(key) ?? [])
    for (const member of new Set(candidates))
      if (member.nearTo === undefined && resemblance(shingles, member.shingles) >= NEAR_DUPLICATE_RESEMBLANCE)
        member.nearTo = index
  }
  return members.map(({ nearTo }) => nearTo)
}

/** For every held-out prompt, in order: whether it is near to a trained one. */
export const nearDuplicates = (trained: readonly Ids[], heldOut: readonly Ids[]): readonly boolean[] =>
  nearTrainedPrompts(trained, heldOut).map((trainedIndex) => trainedIndex !== undefined)
