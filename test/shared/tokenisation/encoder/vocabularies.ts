// Small vocabularies for the differential test: bytes, characters, and merges made by a rule, so that many ways lead to a token.

/** GPT-2's printable stand-ins for the 256 bytes, in byte order. */
export function byteCharacters(): string[] {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    return String.fromCharCode(isPrintable ? byte : next++)
  })
}

export const BYTE_TOKENS = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
)
export const SPECIAL = ["<unk>", "<s>", "</s>"] as const

const LETTERS = [..."abcdehinorstyABZ019.,:'_-▁éß茶🙂"]

/** A sequence of numbers below `limit` that is the same every time. */
export function* numbers(seed: number) {
  let state = seed
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    yield state / 2 ** 32
  }
}

/** Merges of an alphabet: each joins two tokens that are there, of at most 8 characters. */
export function makeMerges(alphabet: readonly string[], count: number, seed: number, prefix = ""): [string, string][] {
  const random = numbers(seed)
  const draw = (from: readonly string[]) => from[Math.floor(random.next().value! * from.length)]!
  const tokens = [...alphabet]
  const merges: [string, string][] = []
  const seen = new Set<string>()
  while (merges.length < count) {
    const [left, right] = [draw(tokens), draw(tokens)]
    const continues = prefix === "" || right.startsWith(prefix)
    const merged = left + right.slice(prefix.length)
    if (!continues || merged.length > 8 + prefix.length || seen.has(`${left} ${right}`)) continue
    seen.add(`${left} ${right}`)
    merges.push([left, right])
    tokens.push(merged)
  }
  return merges
}

const idsOf = (tokens: readonly string[]) => Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]))

/** Byte-level BPE: the special tokens, 256 bytes, merges. */
export function byteLevelModel(options: Record<string, unknown> = {}) {
  const letters = [..."aeinorst Ġ".replace(" ", ""), ..."dhlĊ.,'"]
  const merges = [...makeMerges(letters, 240, 7), ["Ã", "©"], ["Ã", "Ł"], ["ð", "Ł"], ["ðŁ", "Ļ"]] as [string, string][]
  const vocab = idsOf([...SPECIAL, ...byteCharacters(), ...merges.map(([left, right]) => left + right)])
  const rest = { dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null }
  return {
    type: "BPE",
    ...rest,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab,
    merges,
    ...options,
  }
}

/** BPE of characters as SentencePiece makes them, with byte tokens unless left out. */
export function characterModel(options: Record<string, unknown> = {}, hasBytes = true) {
  const prefix = (options.continuing_subword_prefix as string | undefined) ?? ""
  const suffix = (options.end_of_word_suffix as string | undefined) ?? ""
  const forms = LETTERS.flatMap((letter) => [letter, prefix + letter, letter + suffix, prefix + letter + suffix])
  const alphabet = [...new Set(forms)]
  const merges = makeMerges(alphabet, 260, 11, prefix)
  const made = merges.map(([left, right]) => left + right.slice(prefix.length))
  const vocab = idsOf([...SPECIAL, ...(hasBytes ? BYTE_TOKENS : []), ...alphabet, ...made])
  return {
    ...{ type: "BPE", dropout: null, unk_token: "<unk>", continuing_subword_prefix: null, end_of_word_suffix: null },
    ...{
      fuse_unk: true,
      byte_fallback: hasBytes,
      ignore_merges: false,
      vocab,
      merges: merges.map((pair) => pair.join(" ")),
    },
    ...options,
  }
}

/** Unigram: characters and longer tokens with scores that are often equal. */
export function unigramModel(hasByteFallback: boolean, options: Record<string, unknown> = {}) {
  const random = numbers(3)
  const merges = makeMerges(LETTERS, 300, 5).map((pair) => pair.join(""))
  const scored = [...new Set([...LETTERS.slice(0, -2), ...merges])].map((token): [string, number] => [
    token,
    -Math.round(random.next().value! * 40) / 4,
  ])
  const head = [...SPECIAL, ...(hasByteFallback ? BYTE_TOKENS : [])].map((token): [string, number] => [token, 0])
  return { type: "Unigram", unk_id: 0, vocab: [...head, ...scored], byte_fallback: hasByteFallback, ...options }
}

/** SentencePiece's compiled map: a double array of units with labels, offsets and values, then the replacements. */
export function precompiledCharsmap(map: ReadonlyMap<string, string>): string {
  const encoder = new TextEncoder()
  let replacements: number[] = []
  interface Node {
    readonly children: Map<number, Node>
    value?: number
  }
  const root: Node = { children: new Map() }
  for (const [from, to] of map) {
    let node = root
    for (const byte of encoder.encode(from)) {
      const child = node.children.get(byte) ?? { children: new Map() }
      node.children.set(byte, child)
      node = child
    }
    node.value = replacements.length
    replacements = [...replacements, ...encoder.encode(to), 0]
  }
  const units: number[] = [0]
  const isTaken = new Set([0])
  const place = (node: Node, at: number) => {
    const labels = [...(node.value === undefined ? [] : [0]), ...node.children.keys()]
    let offset = 1
    while (!labels.every((label) => !isTaken.has(at ^ offset ^ label))) offset++
    units[at] = (units[at] ?? 0) | (offset << 10) | (node.value === undefined ? 0 : 0x100)
    for (const label of labels) isTaken.add(at ^ offset ^ label)
    if (node.value !== undefined) units[at ^ offset] = (0x80000000 | node.value) >>> 0
    for (const [label, child] of node.children) {
      units[at ^ offset ^ label] = label
      place(child, at ^ offset ^ label)
    }
  }
  place(root, 0)
  const trie = Uint32Array.from({ length: Math.ceil(units.length / 256) * 256 }, (_, at) => units[at] ?? 0)
  const bytes = new Uint8Array(4 + trie.byteLength + replacements.length)
  new DataView(bytes.buffer).setUint32(0, trie.byteLength, true)
  trie.forEach((unit, at) => {
    new DataView(bytes.buffer).setUint32(4 + 4 * at, unit, true)
  })
  bytes.set(replacements, 4 + trie.byteLength)
  return btoa(String.fromCharCode(...bytes))
}
