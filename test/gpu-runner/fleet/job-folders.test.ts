import { existsSync, mkdirSync, mkdtempSync, readdirSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { describe, expect, it } from "vitest"
import { jobFolder } from "#gpu-runner/fleet/job-folders.ts"

/** A runner's directory with one folder a job, each changed this many seconds after 1970. */
const directoryWith = (jobs: Readonly<Record<string, number>>): string => {
  const directory = mkdtempSync(path.join(tmpdir(), "yohaku-"))
  for (const [name, changedSeconds] of Object.entries(jobs)) {
    const folder = path.join(directory, "jobs", name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, "metrics.jsonl"), "{}\n")
    utimesSync(folder, changedSeconds, changedSeconds)
  }
  return directory
}

const kept = (directory: string): readonly string[] => readdirSync(path.join(directory, "jobs")).sort()

describe("the folders of a runner's jobs", () => {
  it("are removed when the next job begins, but for the three that were changed last", () => {
    const directory = directoryWith({ a: 10, b: 40, c: 20, d: 50, e: 30 })
    jobFolder(directory, "job-6")
    expect(kept(directory)).toEqual(["b", "d", "e"])
  })

  it("all stay while there are no more than three", () => {
    const directory = directoryWith({ a: 10, b: 20, c: 30 })
    jobFolder(directory, "job-4")
    expect(kept(directory)).toEqual(["a", "b", "c"])
  })

  it("are named by their jobs, so that a job that is leased again goes on in its own", () => {
    const directory = directoryWith({ "run-1.train": 10 })
    expect(jobFolder(directory, "run-1.train")).toBe(path.join(directory, "jobs", "run-1.train"))
    expect(existsSync(path.join(directory, "jobs", "run-1.train", "metrics.jsonl"))).toBe(true)
  })

  it("never leave the runner's directory, whatever a job is called", () => {
    const directory = directoryWith({})
    expect(jobFolder(directory, "../../etc/x y")).toBe(path.join(directory, "jobs", ".._.._etc_x_y"))
    expect(kept(directory)).toEqual([])
  })
})
