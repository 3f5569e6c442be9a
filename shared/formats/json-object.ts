// One JSON object from a file, where a repeated key is an error: JSON.parse keeps the last one silently, and two readers of one file
// could then disagree about what it says. What else may reach a server from outside is workers/gateway/http/strict-json.ts's.

/** How a reader words what keeps its input from being such an object. */
export interface JsonFaults {
  readonly notUtf8: string
  readonly notJson: string
  readonly notObject: string
  readonly repeatedKey: (key: string) => string
}

/** The object that UTF-8 bytes (a byte order mark is passed over) or a text hold. Throws what `refused` makes of the fault's words. `parse` reads JSON in a way of its own. */
export function readJsonObject(
  input: Uint8Array | string,
  faults: JsonFaults,
  refused: (message: string) => Error,
  parse: (text: string) => unknown = JSON.parse,
): Record<string, unknown> {
  const tried = <A>(step: () => A, words: string): A => {
    try {
      return step()
    } catch {
      throw refused(words)
    }
  }
  const text = typeof input === "string" ? input : tried(() => utf8(input), faults.notUtf8)
  const value = tried(() => parse(text), faults.notJson)
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refused(faults.notObject)
  const repeated = findDuplicateKey(text)
  if (repeated !== undefined) throw refused(faults.repeatedKey(repeated))
  return value as Record<string, unknown>
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)
}

/** The first key that one object of this valid JSON text holds twice, or undefined. */
export function findDuplicateKey(validJson: string): string | undefined {
  const open: (Set<string> | undefined)[] = []
  for (let index = 0; index < validJson.length; index++) {
    const character = validJson[index]
    if (character === "{") open.push(new Set())
    else if (character === "[") open.push(undefined)
    else if (character === "}" || character === "]") open.pop()
    else if (character === '"') {
      const end = endOfString(validJson, index)
      if (isFollowedByColon(validJson, end)) {
        const key = JSON.parse(validJson.slice(index, end)) as string
        const keys = open.at(-1)!
        if (keys.has(key)) return key
        keys.add(key)
      }
      index = end - 1
    }
  }
  return undefined
}

function endOfString(text: string, openingQuote: number): number {
  let index = openingQuote + 1
  while (text[index] !== '"') index += text[index] === "\\" ? 2 : 1
  return index + 1
}

function isFollowedByColon(text: string, from: number): boolean {
  let index = from
  while (text[index] === " " || text[index] === "\n" || text[index] === "\r" || text[index] === "\t") index++
  return text[index] === ":"
}
