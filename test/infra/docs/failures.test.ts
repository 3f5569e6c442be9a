// docs/failures.md names tests as its proof: each of them must exist, in the file that it names.
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { expect, test } from "vitest"

const root = path.resolve(import.meta.dirname, "../../..")
const FAILURES = 35

const rows = readFileSync(path.join(root, "docs/failures.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| *\d+ *\|/.test(line))
  .map((line) => {
    const [number, failure, holds, proof] = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
    return { number: Number(number), failure: failure!, holds: holds!, proof: proof! }
  })

const cited = rows.flatMap(({ number, proof }) =>
  [...proof.matchAll(/`(test\/[^`]+\.test\.ts)` "([^"]+)"/g)].map(([, file, title]) => ({
    number,
    file: file!,
    title: title!,
  })),
)

test("the checklist has the 35 failures, each with what holds and a test, or the reason why it cannot happen", () => {
  expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: FAILURES }, (_, i) => i + 1))
  for (const { number, failure, holds } of rows) {
    expect(failure.length, `failure ${number}`).toBeGreaterThan(10)
    expect(holds.length, `what holds of ${number}`).toBeGreaterThan(10)
    const tests = cited.filter((citation) => citation.number === number).length
    expect(tests > 0 || holds.startsWith("Cannot happen"), `proof of ${number}`).toBe(true)
  }
  // Nothing in the last column was written in a way that the pattern above does not see.
  for (const { number, proof } of rows) {
    expect(proof.split("`test/").length - 1, `citations of ${number}`).toBe(
      cited.filter((citation) => citation.number === number).length,
    )
  }
})

test.each(cited)("failure $number: $file has its test", ({ file, title }) => {
  expect(existsSync(path.join(root, file)), file).toBe(true)
  const source = readFileSync(path.join(root, file), "utf8")
  const isThere = ['"', "`", "'"].some((quote) => source.includes(`${quote}${title}${quote}`))
  expect(isThere, `${file} has no test named ${JSON.stringify(title)}`).toBe(true)
})
