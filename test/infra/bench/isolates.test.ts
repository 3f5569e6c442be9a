// What a bench says of isolates that it could not look at.
import { expect, it } from "vitest"
import { watchInspectors } from "#test/bench/load/workerd-isolates.ts"
import { freePort } from "#test/system/free-port.ts"

it("a look that fails is told, and is no small isolate; one that nobody answered is told too", async () => {
  const url = `ws://127.0.0.1:${await freePort()}/worker`
  const watched = watchInspectors(new Map([["worker", url]]), { workers: ["worker"], lookMs: 1 })
  try {
    expect(watched.unseen()).toEqual(["no look at worker was answered"])
    while (watched.unseen().length < 2) await new Promise((resolve) => setTimeout(resolve, 2))
    expect(watched.unseen()).toEqual([
      `a look at worker failed: the inspector at ${url} does not answer`,
      "no look at worker was answered",
    ])
    expect(watched.peakBytes()).toEqual({})
    watched.reset()
    expect(watched.unseen()).toEqual(["no look at worker was answered"])
  } finally {
    watched.close()
  }
  expect(() => watchInspectors(new Map(), { workers: ["other"], lookMs: 1 })).toThrow("no inspector of other")
})
