// What `npm run format` writes from the methods' definitions is written: the registry, and the tables of docs/.
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { derivedPages } from "#infra/docs/derived-pages.ts"
import { markdownTable, withSection } from "#infra/docs/markdown-table.ts"
import { REGISTRY_FILE, registryText } from "#infra/docs/method-registry.ts"

test("the registry of methods lists the folder's definitions; `npm run format` writes it", () => {
  expect(readFileSync(REGISTRY_FILE, "utf8")).toBe(registryText())
})

test.each(derivedPages())(
  "docs/$name has the tables that the definitions say; `npm run format` writes them",
  (page) => {
    expect(page.current).toBe(page.derived)
  },
)

test("the pages with derived tables are options.md, training.md and gates.md", () => {
  expect(derivedPages().map(({ name }) => name)).toEqual(["options.md", "training.md", "gates.md"])
})

describe("a page's section", () => {
  const page = "a\n\n<!-- b: written by `npm run format` -->\n\nold\n\n<!-- end of b -->\n\nc\n"

  test("is put between its comments, and writing it again changes nothing", () => {
    const written = withSection(page, "b", "new")
    expect(written).toBe(page.replace("old", "new"))
    expect(withSection(written, "b", "new")).toBe(written)
  })

  test("must be there", () => {
    expect(() => withSection(page, "d", "new")).toThrow(RangeError)
  })
})

test("columns are as wide as their widest cell, by characters", () => {
  expect(markdownTable(["a", "head"], [["𝛼𝛽", "1"]])).toBe("| a  | head |\n| -- | ---- |\n| 𝛼𝛽 | 1    |")
})

test("a bar inside a cell does not end it", () => {
  expect(markdownTable(["length"], [["|y|"]])).toBe("| length |\n| ------ |\n| \\|y\\|  |")
})
