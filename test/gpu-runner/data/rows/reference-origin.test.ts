// Where a reference comes from: the same model and adapter pass, everything else is named.
import { afterAll, expect, test } from "vitest"
import { ReferenceMismatch } from "#gpu-runner/data/errors.ts"
import { checkReferenceOrigin, writeReferenceOrigin } from "#gpu-runner/data/rows/reference-origin.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const file = workspace.write("reference.jsonl", "{}\n")
const origin = { reference: "aa".repeat(32), model: "bb".repeat(32), adapter: null }

test("the origin that was written passes, and a reference without one too", () => {
  checkReferenceOrigin(file, origin)
  writeReferenceOrigin(file, origin)
  checkReferenceOrigin(file, origin)
})

test.each([
  [
    { reference: "cc".repeat(32) },
    /reference\.jsonl is not the file that .*origin\.json was written for; score the data again/,
  ],
  [
    { model: "cc".repeat(32) },
    /was scored with model bbbbbbbbbbbb…, this model is cccccccccccc…: weights, precision of the weights \(baseWeights\), tokenizer or template differ/,
  ],
  [{ adapter: "cc".repeat(32) }, /was scored without an adapter, training starts with adapter cccccccccccc…/],
])("another %j is refused by name", (changed, message) => {
  const check = () => checkReferenceOrigin(file, { ...origin, ...changed })
  expect(check).toThrow(ReferenceMismatch)
  expect(check).toThrow(message)
})

test("an origin that cannot be read is no pass", () => {
  for (const text of ["{", '{"model": 1}', "[]", "null"]) {
    workspace.write("reference.jsonl.origin.json", text)
    expect(() => checkReferenceOrigin(file, origin)).toThrow(
      /origin\.json cannot be read; score the data again, or remove it/,
    )
  }
})
