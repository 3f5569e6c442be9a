import { expect, test } from "vitest"
import { awayNotes } from "#gpu-runner/cli/away-notes.ts"

test("why a gateway is waited for is said at once, every minute, and when the reason changes", () => {
  const said: string[] = []
  let ms = 0
  const tell = awayNotes(
    "http://here",
    (line) => said.push(line),
    () => ms,
  )
  const refused = "waiting for http://here: connection refused (127.0.0.1:8787); trying until it answers, Ctrl-C stops"
  for (ms of [0, 500, 59_999]) tell("connection refused (127.0.0.1:8787)")
  expect(said).toEqual([refused])
  ms = 60_000
  tell("connection refused (127.0.0.1:8787)")
  expect(said).toEqual([refused, refused])
  tell("the database does not answer")
  expect(said[2]).toMatch(/^waiting for http:\/\/here: the database does not answer; /)
})
