// What one isolate holds of bulk uploads at a time.
import { Cause, Effect, Exit, Fiber } from "effect"
import { expect, it } from "vitest"
import { LIMITS } from "#shared/wire/limits.ts"
import { holdBody } from "#workers/gateway/bulk/held-body.ts"

/** A body of the largest size that never arrives. */
const slow = () =>
  new Request("https://gateway.test/", {
    method: "POST",
    headers: { "content-length": String(LIMITS.bulkBodyBytes) },
    body: new ReadableStream({ pull: () => new Promise(() => {}) }),
  })

const held = (body: string) =>
  Effect.runPromiseExit(Effect.scoped(holdBody(new Request("https://gateway.test/", { method: "POST", body }))))

it("two of the largest uploads at most are held; a third is told to come again, and finds room once one has gone", async () => {
  const first = Effect.runFork(Effect.scoped(holdBody(slow())))
  const second = Effect.runFork(Effect.scoped(holdBody(slow())))
  const refused = await held("{}\n")
  if (Exit.isSuccess(refused)) throw new Error("it was taken")
  expect(Cause.squash(refused.cause)).toMatchObject({ _tag: "PartUnavailable", part: "the bulk upload" })
  await Effect.runPromise(Fiber.interrupt(first))
  const taken = await held("{}\nno line end")
  if (Exit.isFailure(taken)) throw Cause.squash(taken.cause)
  expect([...taken.value.lines()].map(({ number }) => number)).toEqual([1, 2])
  await Effect.runPromise(Fiber.interrupt(second))
})
