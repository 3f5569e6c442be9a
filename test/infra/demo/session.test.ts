import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { expect, it } from "vitest"
import { finishSession, lastSession, openSession, playOf } from "#infra/demo/loop/session.ts"

const [A, B] = ["a".repeat(64), "b".repeat(64)]
const state = (): string => mkdtempSync(path.join(tmpdir(), "yohaku-session-"))
const ending = { report: {} as never, text: "done" }

it("the first file of events goes to the dataset demo, any other to one of its own, each with its own sessions", () => {
  const directory = state()
  const first = playOf(directory, A)
  expect(first).toEqual({ datasetId: "demo", trafficDigest: A })
  finishSession(directory, first, openSession(directory, first, {}), ending)
  const other = playOf(directory, B)
  expect([other.datasetId, playOf(directory, A).datasetId]).toEqual(["demo-bbbbbbbb", "demo"])
  expect(lastSession(directory, other.datasetId)).toBeUndefined()
  expect(openSession(directory, other, { computed: 7 })).toMatchObject({ number: 1, scorerBefore: { computed: 7 } })
  expect(lastSession(directory, "demo")).toMatchObject({ number: 1, isFinished: true, ending: { text: "done" } })
})

it("a session that was cut off is taken up as it began, and a finished one is followed by the next", () => {
  const directory = state()
  const play = playOf(directory, A)
  const begun = openSession(directory, play, { computed: 1 })
  expect(openSession(directory, play, { computed: 9 })).toEqual(begun)
  finishSession(directory, play, begun, ending)
  expect(openSession(directory, play, { computed: 9 })).toMatchObject({ number: 2, scorerBefore: { computed: 9 } })
})

it("a session of an earlier version, which names no file, is of the file that is given", () => {
  const directory = state()
  writeFileSync(path.join(directory, "session.json"), '{"number":3,"isFinished":true,"scorerBefore":{}}')
  expect(playOf(directory, B).datasetId).toBe("demo")
})
