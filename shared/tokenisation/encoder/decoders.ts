// Tokens as text again. Source: tokenizers 0.23, src/decoders.
import { bytesOf } from "./byte-characters.ts"
import { characterOf, countOf, flagOf, type Part, partOf, partsOf, refuse, textOf } from "./field.ts"
import { patternOf } from "./patterns.ts"

export type Decoder = (tokens: readonly string[]) => readonly string[]

/** The decoder of tokenizer.json; undefined where it has none. Throws InvalidTokenizer, naming a part that is not known. */
export function decoderOf(value: unknown): Decoder | undefined {
  const part = partOf(value, "decoder")
  return part && build(part)
}

function build(part: Part): Decoder {
  switch (part.type) {
    case "Sequence": {
      const all = partsOf(part.decoders, "decoders").map(build)
      return (tokens) => all.reduce((decoded, decode) => decode(decoded), tokens)
    }
    case "ByteLevel": {
      const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true })
      return (tokens) => [decoder.decode(Uint8Array.from(tokens.flatMap((token) => [...bytesOf(token)])))]
    }
    case "Metaspace":
      return metaspace(part)
    case "Replace": {
      const find = patternOf(part)
      const content = textOf(part, "content")
      return (tokens) =>
        tokens.map((token) =>
          find(token)
            .map(({ start, end, isMatch }) => (isMatch ? content : token.slice(start, end)))
            .join(""),
        )
    }
    case "ByteFallback":
      return byteFallback
    case "Fuse":
      return (tokens) => [tokens.join("")]
    case "Strip":
      return strip(characterOf(part, "content"), countOf(part, "start"), countOf(part, "stop"))
    case "BPEDecoder": {
      const suffix = textOf(part, "suffix")
      return (tokens) => tokens.map((token, at) => token.replaceAll(suffix, at === tokens.length - 1 ? "" : " "))
    }
    default:
      return refuse(`the decoder ${part.type}`)
  }
}

function metaspace(part: Part): Decoder {
  const replacement = characterOf(part, "replacement")
  const isPrefixed = part.prepend_scheme !== "never" && flagOf(part, "add_prefix_space", true)
  return (tokens) => tokens.map((token, at) => token.replaceAll(replacement, at === 0 && isPrefixed ? "" : " "))
}

/** Runs of byte tokens as the text they spell; one � for each where they spell none. */
function byteFallback(tokens: readonly string[]): string[] {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  const texts: string[] = []
  let bytes: number[] = []
  const flush = () => {
    try {
      if (bytes.length > 0) texts.push(decoder.decode(Uint8Array.from(bytes)))
    } catch {
      texts.push(...bytes.map(() => "\uFFFD"))
    }
    bytes = []
  }
  for (const token of tokens) {
    const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1]
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16))
    else {
      flush()
      texts.push(token)
    }
  }
  flush()
  return texts
}

function strip(content: string, start: number, stop: number): Decoder {
  return (tokens) =>
    tokens.map((token) => {
      const all = [...token]
      let from = 0
      while (from < start && all[from] === content) from++
      let to = all.length
      while (all.length - to < stop && to > from && all[to - 1] === content) to--
      return all.slice(from, to).join("")
    })
}
