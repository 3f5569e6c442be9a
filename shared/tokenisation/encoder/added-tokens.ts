// Tokens that are found in a text before anything else, with their flags. Source: tokenizers 0.23,
// src/tokenizer/added_vocabulary.rs, also where its matches overlap (rstrip before a token of white space).
import { fault, flagOf, isPart, type Part, refuse, textOf } from "./field.ts"
import type { Model } from "./model.ts"
import { type Normaliser, spaceAtEnd, spaceAtStart } from "./normalisers.ts"
import type { Piece } from "./pre-tokenisers.ts"
import { forMatching } from "./unicode-versions.ts"

export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly isSpecial: boolean
  readonly isSingleWord: boolean
  readonly stripsLeft: boolean
  readonly stripsRight: boolean
  readonly isNormalised: boolean
}

interface TrieNode {
  /** absent at an end: most of a thousand reserved tokens' nodes are */
  children?: Map<string, TrieNode>
  token?: AddedToken
}

const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]"
const STARTS_WITH_WORD = new RegExp(`^${WORD}`, "u")
const ENDS_WITH_WORD = new RegExp(`${WORD}$`, "u")

export class AddedTokens {
  private readonly byContent = new Map<string, AddedToken>()
  private readonly byId = new Map<number, AddedToken>()
  private readonly specialContents = new Set<string>()
  /** what a normalised token is after normalisation, where that is something else */
  private readonly normalForms = new Map<number, string>()
  private readonly asWritten: TrieNode | undefined
  private readonly asNormalised: TrieNode | undefined
  private readonly normalise: Normaliser | undefined

  /** Throws InvalidTokenizer, also where a token's id is not the one that the library would give it. */
  constructor(value: unknown, model: Model, normalise: Normaliser | undefined) {
    this.normalise = normalise
    if (value !== undefined && !Array.isArray(value)) fault("added_tokens is no list")
    let nextId = model.size
    for (const token of ((value ?? []) as unknown[]).map(readToken)) {
      if (token.content === "") continue
      const known = this.byContent.get(token.content)?.id ?? model.idOf(token.content)
      const id = known ?? nextId++
      if (id !== token.id) {
        fault(`the added token ${JSON.stringify(token.content)} has the id ${token.id}, and should have ${id}`)
      }
      if (token.isNormalised && normalise !== undefined) this.keepNormalForm(token, normalise(token.content))
      this.byContent.set(token.content, token)
      if (token.isSpecial) this.specialContents.add(token.content)
      this.byId.set(id, token)
    }
    const all = [...this.byId.values()]
    this.asWritten = trieOf(all.filter(({ isNormalised }) => !isNormalised).map((token) => [token.content, token]))
    this.asNormalised = trieOf(
      all.filter(({ isNormalised }) => isNormalised).map((token) => [this.textOf(token.id)!, token]),
    )
  }

  private keepNormalForm(token: AddedToken, text: string): void {
    if (text !== token.content) this.normalForms.set(token.id, text)
  }

  get hasNormalised(): boolean {
    return this.asNormalised !== undefined
  }

  get all(): Iterable<AddedToken> {
    return this.byId.values()
  }

  idOf(content: string): number | undefined {
    return this.byContent.get(content)?.id
  }

  /** What is decoded for an id. */
  textOf(id: number): string | undefined {
    return this.normalForms.get(id) ?? this.byId.get(id)?.content
  }

  isSpecial(text: string): boolean {
    return this.specialContents.has(text)
  }

  /** The text as ids of added tokens and normalised pieces between them. */
  extract(text: string): (number | Piece)[] {
    return find(text, this.asWritten).flatMap((section) => {
      if (typeof section === "number") return [section]
      const { text: written, isFirst } = section
      const sections = find(this.normalise?.(written) ?? written, this.asNormalised)
      return sections.map((part) => (typeof part === "number" ? part : { ...part, isFirst: part.isFirst && isFirst }))
    })
  }
}

function readToken(value: unknown): AddedToken {
  if (!isPart(value)) return fault("added_tokens holds what is no object")
  const part: Part = { type: "an added token", ...value }
  const { id } = part
  if (!Number.isSafeInteger(id) || (id as number) < 0) return fault("an added token has no id")
  return {
    id: id as number,
    content: textOf(part, "content"),
    isSpecial: flagOf(part, "special"),
    isSingleWord: flagOf(part, "single_word"),
    stripsLeft: flagOf(part, "lstrip"),
    stripsRight: flagOf(part, "rstrip"),
    isNormalised: flagOf(part, "normalized"),
  }
}

function trieOf(tokens: readonly (readonly [string, AddedToken])[]): TrieNode | undefined {
  if (tokens.length === 0) return undefined
  const root: TrieNode = {}
  for (const [text, token] of tokens) {
    if (text === "") return fault(`the added token ${JSON.stringify(token.content)} is nothing after normalisation`)
    let node = root
    for (const unit of text.split("")) {
      node.children ??= new Map()
      let child = node.children.get(unit)
      if (child === undefined) {
        child = {}
        node.children.set(unit, child)
      }
      node = child
    }
    if (node.token !== undefined) return refuse(`two added tokens that are ${JSON.stringify(text)} after normalisation`)
    node.token = token
  }
  return root
}

/** The longest token at the leftmost place from `from` on. */
function findNext(text: string, from: number, trie: TrieNode) {
  for (let start = from; start < text.length; start++) {
    let node: TrieNode | undefined = trie
    let best: { token: AddedToken; start: number; end: number } | undefined
    for (let end = start; node !== undefined && end <= text.length; end++) {
      if (node.token !== undefined) best = { token: node.token, start, end }
      node = node.children?.get(text[end] ?? "")
    }
    if (best !== undefined) return best
  }
  return undefined
}

function find(text: string, trie: TrieNode | undefined): (number | Piece)[] {
  const sections: (number | Piece)[] = []
  const addText = (from: number, to: number) => {
    if (from < to) sections.push({ text: text.slice(from, to), isFirst: from === 0 })
  }
  let done = 0
  let found = trie && findNext(text, 0, trie)
  while (found !== undefined) {
    const { token, start, end } = found
    if (!token.isSingleWord || isWord(text, start, end)) {
      const from = token.stripsLeft ? Math.max(spaceAtEnd(text, start), done) : start
      const to = token.stripsRight ? spaceAtStart(text, end) : end
      addText(done, from)
      // Nothing is left of a token whose text the one before it took with its white space.
      if (from < to) sections.push(token.id)
      done = to
    }
    found = findNext(text, end, trie!)
  }
  addText(done, text.length)
  return sections
}

function isWord(text: string, start: number, end: number): boolean {
  return (
    !ENDS_WITH_WORD.test(lastCharacter(text, start)) && !STARTS_WITH_WORD.test(forMatching(text.slice(end, end + 2)))
  )
}

function lastCharacter(text: string, end: number): string {
  const pair = text.slice(Math.max(0, end - 2), end)
  return forMatching((pair.codePointAt(0) ?? 0) > 0xffff ? pair : pair.slice(-1))
}
