// docs/options.md has every key of the configuration, with the default that the code gives it, and no other; docs/training.md has every
// name of TRL, transformers and PEFT that an error message answers, and those answers name keys that exist.
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { Result } from "effect"
import { describe, expect, test } from "vitest"
import { ADVICE_ON_KEYS, RENAMED_KEYS } from "#shared/domain/names-elsewhere.ts"
import { decodeTrainConfig, TrainConfigInput } from "#shared/domain/TrainConfig.ts"
import { methodNames } from "#shared/methods/methods.ts"

const docs = path.resolve(import.meta.dirname, "../../../docs")
const page = (name: string) => readFileSync(path.join(docs, name), "utf8")

interface DocumentedKey {
  readonly name: string
  readonly stated: string
}

/** Rows "| `key`, `key` | default, default | meaning |" of the page's tables with a head "| key | default | meaning |". */
function documentedKeys(text: string): DocumentedKey[] {
  return text.split("\n\n").flatMap((block) => {
    const [head = "", , ...rows] = block.trim().split("\n")
    if (!/^\| key +\| default +\| meaning +\|$/.test(head)) return []
    return rows.flatMap((row) => {
      const [, keys = "", defaults = ""] = row.split("|").map((cell) => cell.trim())
      const names = [...keys.matchAll(/`(\w+)`/g)].map(([, name]) => name!)
      const parts = defaults.split(", ")
      return names.map((name, index) => ({ name, stated: parts.length === names.length ? parts[index]! : defaults }))
    })
  })
}

const keys = Object.keys(TrainConfigInput.fields)
const documented = documentedKeys(page("options.md"))

// Choices that make the run read a key.
const readers: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { statistics: "official" },
  { useWeighting: true },
  ...methodNames.map((method) => ({ method })),
  { gapShare: 0.5 },
  { schedule: "polynomial" },
  { schedule: "warmup-stable-decay", decaySteps: 1 },
]

const resolved = readers.map((input) => {
  const result = decodeTrainConfig(input)
  if (Result.isFailure(result)) throw result.failure
  return result.success as unknown as Readonly<Record<string, unknown>>
})

const defaultOf = (name: string) => resolved.find((config) => config[name] !== undefined)?.[name]

/** "1e-3" and "0 (off)" → a number, "`cosine`" → a text, "true" → a switch; undefined where the cell says it in words. */
function statedValue(cell: string): unknown {
  const [, quoted, plain] = /^(?:`([\w-]+)`|(true|false|\{\}|[\d.e-]+))(?= \(|;|$)/.exec(cell) ?? []
  return quoted ?? (plain === undefined ? undefined : JSON.parse(plain))
}

describe("docs/options.md", () => {
  test("documents every key of the configuration once, and no other", () => {
    expect(documented.map(({ name }) => name).sort()).toEqual([...keys].sort())
  })

  const checkable = documented.filter(({ stated }) => statedValue(stated) !== undefined)

  test("states most defaults as values", () => {
    expect(checkable.length).toBeGreaterThan(40)
  })

  test.each(checkable)("$name is $stated, as the code has it", ({ name, stated }) => {
    expect(defaultOf(name)).toEqual(statedValue(stated))
  })
})

describe("docs/training.md", () => {
  const text = page("training.md")
  const words = new Set([...text.matchAll(/`([^`\n]+)`/g)].flatMap(([, code]) => code!.match(/\w+/g) ?? []))

  test.each([...Object.keys(RENAMED_KEYS), ...Object.keys(ADVICE_ON_KEYS)])("names %s", (name) => {
    expect(words).toContain(name)
  })

  test.each(Object.entries(RENAMED_KEYS))(
    "%s is called %s, a key that exists and stands in the same table",
    (_, key) => {
      expect(keys).toContain(key)
      expect(words).toContain(key)
    },
  )
})

test("the names answered are none of our own", () => {
  expect([...Object.keys(RENAMED_KEYS), ...Object.keys(ADVICE_ON_KEYS)].filter((name) => keys.includes(name))).toEqual(
    [],
  )
})

/** GitHub's anchor of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-")

const anchors = (name: string) =>
  new Set([...page(name).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!)))

const pages = readdirSync(docs).filter((name) => name.endsWith(".md"))
const links = pages.flatMap((from) =>
  [...page(from).matchAll(/\]\(([\w-]+\.md)?(?:#([\w-]+))?\)/g)].map(([, to = from, anchor]) => ({ from, to, anchor })),
)

test.each(links.filter(({ anchor }) => anchor !== undefined))("$from links to $to#$anchor, which is there", (link) => {
  expect(pages).toContain(link.to)
  expect(anchors(link.to)).toContain(link.anchor)
})
