import { OpenApi } from "effect/http-api"
import { describe, expect, it } from "vitest"
import { YohakuApi } from "#shared/api/Api.ts"

interface Operation {
  readonly operationId: string
  readonly parameters: readonly { readonly name: string }[]
  readonly requestBody?: unknown
}

const paths = OpenApi.fromApi(YohakuApi).paths as unknown as Record<string, Record<string, Operation>>

const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, path, method, operation })),
)

describe("the OpenAPI document", () => {
  it("offers an Idempotency-Key on every POST but the webhooks and the runner's, whose calls have keys of their own", () => {
    const without = operations.filter(
      ({ method, operation }) =>
        method === "post" && !operation.parameters.some((parameter) => parameter.name === "idempotency-key"),
    )
    expect(without.every(({ path }) => path.startsWith("/v1/webhooks/") || path.startsWith("/v1/runner/"))).toBe(true)
  })

  it("asks for a fencing token on every write of a job", () => {
    const writes = operations.filter(({ path }) => path.startsWith("/v1/runner/jobs/"))
    expect(writes).toHaveLength(5)
    for (const { operation, name } of writes)
      expect(
        operation.parameters.find((parameter) => parameter.name === "yohaku-fencing-token"),
        name,
      ).toMatchObject({ in: "header", required: true })
  })

  it("describes every request body strictly: no unknown fields", () => {
    const created = operations.find(({ name }) => name === "post /v1/datasets")!
    const schema = JSON.stringify(created.operation.requestBody)
    expect(schema).toContain('"additionalProperties":false')
  })

  it("knows every operation by a name of its own", () => {
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length)
  })
})
