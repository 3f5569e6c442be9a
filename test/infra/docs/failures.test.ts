// docs/failures.md names tests as its proof: each of them must exist, in the file that it names.
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { expect, test } from "vitest"

const root = path.resolve(import.meta.dirname, "../../..")
const FAILURES = 38

// "7. **The failure.**", then what holds, then a list of `file` "title".
const entries = readFileSync(path.join(root, "docs/failures.md"), "utf8")
  .split(/^(?=\d+\. )/m)
  .slice(1)
  .map((text) => {
    const [, number, failure, rest] = /^(\d+)\. \*\*(.+?)\*\*(.*)$/s.exec(text)!
    const [holds, ...proofs] = rest!.split(/^ +- /m)
    return {
      number: Number(number),
      failure: failure!,
      holds: holds!.trim(),
      proofs: proofs.map((proof) => proof.split("\n")[0]!),
    }
  })

const cited = entries.flatMap(({ number, proofs }) =>
  proofs.map((proof) => {
    const [, file, title] = /^`(test\/[^`]+\.test\.ts)` "(.+)"$/.exec(proof) ?? []
    return { number, file: file ?? `unreadable: ${proof}`, title: title ?? "" }
  }),
)

test("the checklist has the 38 failures, each with what holds and a test, or the reason why it cannot happen", () => {
  expect(entries.map(({ number }) => number)).toEqual(Array.from({ length: FAILURES }, (_, i) => i + 1))
  for (const { number, failure, holds, proofs } of entries) {
    expect(failure.length, `failure ${number}`).toBeGreaterThan(10)
    expect(holds.length, `what holds of ${number}`).toBeGreaterThan(10)
    expect(proofs.length > 0 || holds.startsWith("Cannot happen"), `proof of ${number}`).toBe(true)
  }
})

test.each(cited)("failure $number: $file has its test", ({ file, title }) => {
  expect(existsSync(path.join(root, file)), file).toBe(true)
  const source = readFileSync(path.join(root, file), "utf8")
  const isThere = ['"', "`", "'"].some((quote) => source.includes(`${quote}${title}${quote}`))
  expect(isThere, `${file} has no test named ${JSON.stringify(title)}`).toBe(true)
})
