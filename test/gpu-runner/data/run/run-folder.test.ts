// Checkpoints on disk: whole or absent, two kept, damage noticed; metrics cut back to the checkpoint that a run goes on from.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { RunFolder } from "#gpu-runner/data/run/run-folder.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const keep = { count: 2, always: [] }

test("the last two checkpoints are kept and the newest is read back", () => {
  const folder = new RunFolder(workspace.at("kept"))
  for (const step of [1, 2, 3]) folder.writeCheckpoint(step, Uint8Array.of(step), keep)
  expect(readdirSync(workspace.at("kept", "checkpoints"))).toHaveLength(2)
  expect(folder.latestCheckpoint()).toEqual({ checkpoint: { step: 3, bytes: Uint8Array.of(3) }, damaged: [] })
  expect(folder.isUnfinished).toBe(true)
  folder.writeJson("report.json", {})
  expect(folder.isUnfinished).toBe(false)
})

test("the best checkpoint outlives newer ones, and is read by its step", () => {
  const folder = new RunFolder(workspace.at("best"))
  for (const step of [1, 2, 3, 4]) {
    folder.writeCheckpoint(step, Uint8Array.of(step), { count: 1, always: step > 1 ? [2] : [] })
  }
  expect(readdirSync(workspace.at("best", "checkpoints")).map((name) => Number(name.slice(5, 13)))).toEqual([2, 4])
  expect(folder.newestStep).toBe(4)
  expect(folder.checkpointAt(2)).toEqual(Uint8Array.of(2))
  expect(folder.checkpointAt(1)).toBeUndefined()
})

test("a damaged checkpoint is named and the one before it is taken", () => {
  const folder = new RunFolder(workspace.at("damaged"))
  for (const step of [1, 2]) folder.writeCheckpoint(step, Uint8Array.of(step, step), keep)
  const newest = readdirSync(workspace.at("damaged", "checkpoints")).sort().at(-1)!
  writeFileSync(workspace.at("damaged", "checkpoints", newest), Uint8Array.of(2))
  expect(folder.latestCheckpoint()).toEqual({ checkpoint: { step: 1, bytes: Uint8Array.of(1, 1) }, damaged: [newest] })
})

test("what a killed writer left behind is no checkpoint, and can be removed", () => {
  const folder = new RunFolder(workspace.at("killed"))
  workspace.write("killed/checkpoints/step-00000009.0123456789abcdef.safetensors.77.temporary", "half")
  expect(folder.latestCheckpoint()).toEqual({ checkpoint: undefined, damaged: [] })
  folder.removeHalfWritten()
  expect(readdirSync(workspace.at("killed", "checkpoints"))).toEqual([])
})

test("scores that were begun are a run to go on with; an empty file of them is not, nor are those of a run that ended by an error", () => {
  const folder = new RunFolder(workspace.at("scored"))
  const scores = folder.scores("reference", "0".repeat(64))
  expect([...scores.read()]).toEqual([])
  expect(folder.isUnfinished).toBe(false)
  scores.append(Uint8Array.of(1))
  expect(folder.isUnfinished).toBe(true)
  folder.noteEnded(true)
  expect(folder.isUnfinished).toBe(false)
  folder.noteEnded(false)
  expect(folder.isUnfinished).toBe(true)
  folder.writeJson("report.json", {})
  expect(folder.isUnfinished).toBe(false)
})

test("nothing is created before something is written", () => {
  const folder = new RunFolder(workspace.at("untouched"))
  expect(folder.isUnfinished).toBe(false)
  expect(folder.latestCheckpoint().checkpoint).toBeUndefined()
  folder.clear()
  expect(existsSync(workspace.at("untouched"))).toBe(false)
})

test("metrics after a step are cut off, half a line included", () => {
  const folder = new RunFolder(workspace.at("metrics"))
  for (const step of [1, 2, 3]) folder.appendMetrics(step, { step, loss: step })
  writeFileSync(workspace.at("metrics", "metrics.jsonl"), '{"step":4,"lo', { flag: "a" })
  folder.truncateMetrics(2)
  expect(readFileSync(workspace.at("metrics", "metrics.jsonl"), "utf8")).toBe(
    '{"step":1,"loss":1}\n{"step":2,"loss":2}\n',
  )
})

test("a new run removes what the report of an earlier one names, and nothing else", () => {
  const folder = new RunFolder(workspace.at("again"))
  workspace.write("outside.txt", "")
  for (const name of ["adapter_model.safetensors", "notes.txt"]) folder.write(name, "")
  folder.writeJson("report.json", { files: { "adapter_model.safetensors": "", "../outside.txt": "" } })
  folder.clear()
  expect(readdirSync(workspace.at("again"))).toEqual(["notes.txt"])
  expect(existsSync(workspace.at("outside.txt"))).toBe(true)
})
