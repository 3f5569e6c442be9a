import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { describe, expect, it } from "vitest"
import { pruneCache } from "#gpu-runner/fleet/prune-cache.ts"

/** A runner's directory with blobs of ten bytes, each used this many seconds after 1970; folders hold links to some of them. */
const directoryWith = (
  blobs: Readonly<Record<string, number>>,
  folders: Readonly<Record<string, readonly string[]>> = {},
) => {
  const directory = mkdtempSync(path.join(tmpdir(), "yohaku-"))
  for (const name of ["blobs", ...Object.keys(folders).map((folder) => `folders/${folder}`)])
    mkdirSync(path.join(directory, name), { recursive: true })
  for (const [folder, names] of Object.entries(folders))
    for (const name of names) {
      const blob = path.join(directory, "blobs", name)
      if (!existsSync(blob)) writeFileSync(blob, "ten bytes.")
      linkSync(blob, path.join(directory, "folders", folder, name))
    }
  for (const [name, usedSeconds] of Object.entries(blobs)) {
    const blob = path.join(directory, "blobs", name)
    if (!existsSync(blob)) writeFileSync(blob, "ten bytes.")
    utimesSync(blob, usedSeconds, usedSeconds)
  }
  return directory
}

const kept = (directory: string) => ({
  blobs: readdirSync(path.join(directory, "blobs")).sort(),
  folders: existsSync(path.join(directory, "folders")) ? readdirSync(path.join(directory, "folders")).sort() : [],
})

describe("what a runner keeps of what it fetched", () => {
  it("is as much as it may, and what was used longest ago goes first", () => {
    const directory = directoryWith({ a: 10, b: 40, c: 20, d: 30 })
    expect(pruneCache(directory, 40)).toBe(0)
    expect(pruneCache(directory, 39)).toBe(10)
    expect(kept(directory).blobs).toEqual(["b", "c", "d"])
    expect(pruneCache(directory, 15)).toBe(20)
    expect(kept(directory).blobs).toEqual(["b"])
    expect(pruneCache(directory, 0)).toBe(10)
    expect(pruneCache(directory, 0)).toBe(0)
  })

  it("is counted once where a folder links to it; a folder goes with the first of its files, and the others stay as blobs", () => {
    const directory = directoryWith({ a: 10, b: 30, c: 20 }, { model: ["a", "b"], other: ["b", "c"] })
    expect(pruneCache(directory, 30)).toBe(0)
    expect(pruneCache(directory, 29)).toBe(10)
    expect(kept(directory)).toEqual({ blobs: ["b", "c"], folders: ["other"] })
  })

  it("never counts or removes a file of the runner's own, to which a folder only points", () => {
    const own = directoryWith({ weights: 1 })
    const directory = directoryWith({ a: 10 }, { model: ["a"] })
    const weights = path.join(own, "blobs", "weights")
    symlinkSync(weights, path.join(directory, "folders", "model", "weights"))
    expect(pruneCache(directory, 9)).toBe(10)
    expect(kept(directory)).toEqual({ blobs: [], folders: [] })
    expect(existsSync(weights)).toBe(true)
  })

  it("may be nothing at all: a directory of which no job was done yet", () => {
    expect(pruneCache(mkdtempSync(path.join(tmpdir(), "yohaku-")), 0)).toBe(0)
  })
})
