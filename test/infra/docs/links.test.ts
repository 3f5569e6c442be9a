// What the documents point at is there: every link to a file or a heading, and every path of this repository in backticks or in a
// block of commands. `workers/<name>/` and `decoder*.ts` stand for at least one.
import { existsSync, globSync, readFileSync } from "node:fs"
import path from "node:path"
import { expect, test } from "vitest"

const root = path.resolve(import.meta.dirname, "../../..")
const UNTRACKED = ["node_modules", ".git", ".yohaku", ".wrangler", "coverage"]
const OF_THE_REPOSITORY = /^(?:shared|workers|gpu-runner|infra|test|docs)\//

const pages = globSync("**/*.md", { cwd: root, exclude: (name) => UNTRACKED.includes(path.basename(name)) }).sort()
const read = (page: string) => readFileSync(path.join(root, page), "utf8")

const withoutCode = (text: string) => text.replaceAll(/^```.*?^```/gms, "").replaceAll(/`[^`\n]*`/g, "")

/** GitHub's anchors of a page's headings; one that comes again gets a number. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>()
  const headings = read(page)
    .replaceAll(/^```.*?^```/gms, "")
    .matchAll(/^#+ (.+)$/gm)
  for (const [, heading] of headings) {
    const plain = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
    const anchor = plain
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-")
    let count = 0
    let unique = anchor
    while (anchors.has(unique)) unique = `${anchor}-${++count}`
    anchors.add(unique)
  }
  return anchors
}

const links = pages.flatMap((page) =>
  [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)]
    .map(([, link, attribute]) => link ?? attribute!)
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [file = "", anchor] = link.split("#")
      return { page, link, anchor, to: file === "" ? page : path.join(path.dirname(page), file) }
    }),
)

const paths = pages.flatMap((page) => {
  const text = read(page)
  const blocks = [...text.matchAll(/^```\w*\n(.*?)^```/gms)].map(([, block]) => block!)
  const spans = [...text.replaceAll(/^```.*?^```/gms, "").matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!)
  const words = [...blocks, ...spans]
    .flatMap((code) => code.split(/[\s"'(),;]+/))
    .map((word) => word.replace(/[:.]$|#.*$/, ""))
  return [...new Set(words.filter((word) => OF_THE_REPOSITORY.test(word)))].map((named) => ({ page, named }))
})

test("there are pages, links and paths to check", () => {
  expect(pages).toContain("README.md")
  expect(pages).toContain("gpu-runner/LOG.md")
  expect(links.length).toBeGreaterThan(60)
  expect(paths.length).toBeGreaterThan(60)
})

test.each(links)("$page links to $link, which is there", ({ to, anchor }) => {
  expect(existsSync(path.join(root, to)), to).toBe(true)
  if (anchor !== undefined) expect(anchorsOf(to)).toContain(anchor)
})

test.each(paths)("$page names $named, which is there", ({ named }) => {
  expect(globSync(named.replaceAll(/<[^>]*>/g, "*"), { cwd: root }), named).not.toEqual([])
})
