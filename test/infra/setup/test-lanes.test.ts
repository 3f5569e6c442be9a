// A project that stands in no run would never run, and one in two would run twice.
import { globSync } from "node:fs"
import path from "node:path"
import { expect, test } from "vitest"
import { RUNS } from "#infra/setup/test-lanes.ts"
import config from "../../../vitest.config.ts"

const root = path.resolve(import.meta.dirname, "../../..")

test("every test project is in exactly one run", () => {
  const workers = globSync("test/workers/*/vitest.config.ts", { cwd: root }).map((file) => file.split(path.sep)[2]!)
  const others = config.test!.projects!.flatMap((project) =>
    typeof project === "object" && "test" in project ? [project.test!.name as string] : [],
  )
  expect(workers).toContain("gateway")
  expect(others).toContain("unit")
  expect(RUNS.flat().sort()).toEqual([...workers, ...others].sort())
})
