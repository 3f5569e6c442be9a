import { expect, test } from "vitest"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"

class Plain extends taggedError("Plain") {}
class WithFields extends taggedError<"WithFields", { status: number }>("WithFields") {}

test("a class carries its tag as tag and name, and is caught by instanceof", () => {
  const error = new Plain("what is wrong")
  expect(error).toBeInstanceOf(Plain)
  expect(error).toBeInstanceOf(Error)
  expect(error).not.toBeInstanceOf(WithFields)
  expect([error._tag, error.name, error.message, String(error)]).toEqual([
    "Plain",
    "Plain",
    "what is wrong",
    "Plain: what is wrong",
  ])
  expect("cause" in error).toBe(false)
})

test("fields stand on the error, and a cause is kept as a cause", () => {
  const cause = new Error("the socket closed")
  const error = new WithFields("refused", { status: 404, cause })
  expect(error.status).toBe(404)
  expect(error.cause).toBe(cause)
  expect(Object.keys(error)).not.toContain("cause")
})
