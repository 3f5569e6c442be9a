// docs/performance.md names every option of `yohaku bench`, every layout, and no option that there is not; and both scripts that
// measure beside other systems.
import { readFileSync } from "node:fs"
import path from "node:path"
import { expect, test } from "vitest"
import { LAYOUTS } from "#gpu-runner/bench/layouts.ts"
import { benchOptions } from "#gpu-runner/cli/bench-options.ts"

const text = readFileSync(path.resolve(import.meta.dirname, "../../../docs/performance.md"), "utf8")
const named = new Set([...text.matchAll(/--([a-z][a-z-]*)/g)].map(([, option]) => option!))

test.each(Object.keys(benchOptions))("names --%s", (option) => {
  expect(named).toContain(option)
})

test("names no option that bench does not have, besides --json, and those of other commands", () => {
  const underLoad = ["epoch", "lists", "requests", "seed", "concurrency", "minutes", "warm-up", "svg"]
  const wholeLoop = ["base"]
  const others = [...underLoad, ...wholeLoop, "json", "only", "systems", "smoke", "once", "replay", "project"]
  expect([...named].filter((option) => !Object.hasOwn(benchOptions, option) && !others.includes(option))).toEqual([])
})

test.each(Object.keys(LAYOUTS))("names the layout %s", (layout) => {
  expect(text).toContain(`\`${layout}\``)
})

test("names the scripts that compare with other systems and measure a GPU", () => {
  const { scripts } = JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../../../package.json"), "utf8"))
  for (const name of ["bench:peers", "bench:gpu"]) {
    expect(scripts).toHaveProperty([name])
    expect(text).toContain(`npm run ${name}`)
  }
})
