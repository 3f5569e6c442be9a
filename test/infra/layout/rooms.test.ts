// The lint's layer rules look at `#room/…` specifiers, so nothing may leave its room by a relative path.
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import path from "node:path"
import { expect, test } from "vitest"

const root = path.resolve(import.meta.dirname, "../../..")
const SPECIFIER = /\bfrom "(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/g

/** A room is a folder of the second level: shared/wire, workers/gateway, gpu-runner/ops. */
const roomOf = (file: string): string => file.split("/").slice(0, 2).join("/")

const sources = spawnSync("git", ["ls-files", "shared", "workers", "gpu-runner"], { cwd: root, encoding: "utf8" })
  .stdout.split("\n")
  .filter((file) => file.endsWith(".ts"))

test("a relative import stays in its room, so that the layer rules see every crossing", () => {
  expect(sources.length).toBeGreaterThan(300)
  const leaving = sources.flatMap((file) =>
    [...readFileSync(path.join(root, file), "utf8").matchAll(SPECIFIER)].flatMap(([, fixed, dynamic]) => {
      const target = path.posix.join(path.posix.dirname(file), fixed ?? dynamic!)
      return roomOf(target) === roomOf(file) ? [] : `${file} imports ${target}`
    }),
  )
  expect(leaving).toEqual([])
})
