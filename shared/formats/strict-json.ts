// JSON where a repeated key is an error: JSON.parse keeps the last one silently, and two readers of
// one file could then disagree about what it says.

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
