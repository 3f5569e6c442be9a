import { describe, expect, it } from "vitest"
import * as problems from "#shared/api/problems.ts"

interface ProblemInstance {
  readonly _tag: string
  readonly type: string
  readonly status: number
  readonly title: string
}

/** What a class needs besides `detail`. */
const EXTENSIONS = {
  resource: "blob",
  reason: "empty-prompt",
  limitBytes: 1,
  missing: [],
  field: "",
  bytes: 1,
  parts: 1,
  lacking: 0,
}

const all = Object.values(problems).map(
  (Problem) =>
    new (Problem as unknown as new (fields: object) => ProblemInstance)({ ...EXTENSIONS, detail: "Mend it." }),
)

describe("the API's problems", () => {
  it("have the types and statuses that clients were told; changing one breaks them", () => {
    expect(
      Object.fromEntries(all.map(({ type, status }) => [type.replace("urn:yohaku:problem:", ""), status])),
    ).toEqual({
      "body-too-large": 413,
      conflict: 409,
      "dataset-not-found": 404,
      "digest-mismatch": 422,
      forbidden: 403,
      "idempotency-key-missing": 400,
      "idempotency-key-reused": 422,
      "internal-error": 500,
      "invalid-comparison": 422,
      "invalid-cursor": 400,
      "invalid-request": 400,
      "invalid-signature": 401,
      "length-required": 411,
      "line-too-large": 413,
      "malformed-json": 400,
      misconfigured: 500,
      "model-incomplete": 422,
      "not-found": 404,
      "part-unfit": 422,
      "range-not-satisfiable": 416,
      "reference-model-unusable": 422,
      "route-not-found": 404,
      "method-not-allowed": 405,
      "stale-lease": 409,
      unauthenticated: 401,
      unavailable: 503,
      "unsupported-media": 415,
      "unusable-delivery": 422,
      "unusable-request": 422,
      "unusable-row": 422,
      "upload-incomplete": 409,
    })
  })

  it("each have a type and a tag of their own, and a title that is a sentence without its full stop", () => {
    expect(new Set(all.map(({ type }) => type)).size).toBe(all.length)
    expect(new Set(all.map(({ _tag }) => _tag)).size).toBe(all.length)
    for (const { title } of all) expect(title).toMatch(/^[A-Z].*[^.]$/)
  })
})
