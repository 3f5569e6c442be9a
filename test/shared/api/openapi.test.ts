import { OpenApi } from "effect/http-api"
import { describe, expect, it } from "vitest"
import { YohakuApi } from "#shared/api/Api.ts"

interface JsonSchema {
  readonly $ref?: string
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema | boolean
  readonly prefixItems?: readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly maxLength?: number
  readonly maxItems?: number
  readonly maxProperties?: number
}

interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly description?: string
  readonly parameters: readonly {
    readonly name: string
    readonly required: boolean
    readonly description?: string
    readonly schema?: JsonSchema
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, object>> }>>
}

const document = OpenApi.fromApi(YohakuApi)
const paths = document.paths as unknown as Record<string, Record<string, Operation>>
const components = document.components.schemas as unknown as Record<string, JsonSchema>

/** The schema behind a reference, its `allOf` taken in. */
const resolved = (schema: JsonSchema): JsonSchema => {
  if (schema.$ref !== undefined) return resolved(components[schema.$ref.split("/").at(-1)!]!)
  return { ...schema, ...Object.assign({}, ...(schema.allOf ?? []).map(resolved)) }
}

const jsonBody = (requestBody: unknown): JsonSchema =>
  (requestBody as { content?: Record<string, { schema: JsonSchema }> } | undefined)?.content?.["application/json"]
    ?.schema ?? {}

/** Where in a schema a text, a list or an object with any keys may be of any size. */
const unboundedIn = (schema: JsonSchema, path: string): string[] => {
  const { type, properties = {}, additionalProperties, patternProperties = {}, items, ...rest } = resolved(schema)
  const { prefixItems = [], anyOf = [], oneOf = [], maxLength, maxItems, maxProperties } = rest
  const isOpen = typeof additionalProperties === "object" || Object.keys(patternProperties).length > 0
  const here = [
    type === "string" && rest.enum === undefined && rest.pattern === undefined && maxLength === undefined,
    type === "array" && (items !== false || prefixItems.length === 0) && maxItems === undefined,
    type === "object" && isOpen && maxProperties === undefined,
  ]
  const inside = [...anyOf, ...oneOf, ...prefixItems, ...Object.values(patternProperties)]
  for (const member of [items, additionalProperties]) if (typeof member === "object") inside.push(member)
  return [
    ...(here.includes(true) ? [path] : []),
    ...inside.flatMap((member) => unboundedIn(member, `${path}.*`)),
    ...Object.entries(properties).flatMap(([key, member]) => unboundedIn(member, `${path}.${key}`)),
  ]
}

/** What a request and its answer may be, problems left out. */
const mediaOf = ({ requestBody, responses }: Operation): object[] =>
  [
    requestBody?.content ?? {},
    ...Object.entries(responses).map(([status, { content }]) => (Number(status) < 400 ? (content ?? {}) : {})),
  ].flatMap((content) => Object.values(content))

const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, path, method, operation })),
)

describe("the OpenAPI document", () => {
  it("offers an Idempotency-Key on every POST but those with keys of their own: webhooks, a runner's calls, and uploads, which go by digest", () => {
    const without = operations.filter(
      ({ method, operation }) =>
        method === "post" && !operation.parameters.some((parameter) => parameter.name === "idempotency-key"),
    )
    const own = ["/v1/webhooks/", "/v1/runner/", "/v1/uploads"]
    expect(without.filter(({ path }) => !own.some((start) => path.startsWith(start)))).toEqual([])
  })

  it("asks for a fencing token on every call about a job", () => {
    const writes = operations.filter(({ path }) => path.startsWith("/v1/runner/jobs/"))
    expect(writes).toHaveLength(8)
    for (const { operation, name } of writes)
      expect(
        operation.parameters.find((parameter) => parameter.name === "yohaku-fencing-token"),
        name,
      ).toMatchObject({ in: "header", required: true })
  })

  it("describes every request body strictly: no unknown fields", () => {
    const objects = operations
      .map(({ name, operation }) => ({ name, schema: resolved(jsonBody(operation.requestBody)) }))
      .filter(({ schema }) => schema.type === "object")
    expect(objects.length).toBeGreaterThan(10)
    for (const { name, schema } of objects) expect(schema.additionalProperties, name).toBe(false)
  })

  it("bounds every text, list and open object that a request may bring", () => {
    const unbounded = operations.flatMap(({ name, operation }) => [
      ...unboundedIn(jsonBody(operation.requestBody), `${name} body`),
      ...operation.parameters.flatMap((parameter) => unboundedIn(parameter.schema ?? {}, `${name} ${parameter.name}`)),
    ])
    expect(unbounded).toEqual([])
  })

  it("states those of a comparison", () => {
    const { requestBody } = operations.find(({ name }) => name === "post /v1/datasets/{id}/comparisons")!.operation
    const { properties = {} } = resolved(jsonBody(requestBody))
    expect(resolved(properties.candidates!)).toMatchObject({ minItems: 1, maxItems: 64 })
    expect(resolved(properties.externalId!)).toMatchObject({ maxLength: 512 })
    expect(JSON.stringify(resolved(properties.prompt!))).toContain('"maxLength":262144')
  })

  it("says of a list that is not empty how long it is, not that its first item is another: generators would make a tuple of it", () => {
    expect(JSON.stringify(document)).not.toContain("prefixItems")
    expect(resolved(components.NewApiKey!.properties!.scopes!)).toMatchObject({
      type: "array",
      minItems: 1,
      maxItems: 6,
    })
  })

  it("knows every operation by a name of its own", () => {
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length)
  })

  it("says of an Idempotency-Key that it is required, but where a channel is moved or a run cancelled", () => {
    const keys = operations.flatMap(({ operation }) =>
      operation.parameters
        .filter(({ name }) => name === "idempotency-key")
        .map(({ required }) => ({ id: operation.operationId, required })),
    )
    expect(keys.filter(({ required }) => !required).map(({ id }) => id)).toEqual([
      "runs.cancel",
      "models.moveChannel",
      "evaluations.cancel",
    ])
    expect(keys.filter(({ required }) => required).length).toBeGreaterThan(8)
  })

  it("carries numbers as numbers, each integer with its range, and none of the names of what is no number", () => {
    expect(JSON.stringify(document)).not.toMatch(/"(NaN|-?Infinity)"/u)
    const types = operations
      .flatMap(({ operation }) => operation.parameters)
      .filter(({ name }) => ["limit", "fromStep", "yohaku-fencing-token"].includes(name))
      .map(({ schema }) => schema)
    expect(types.length).toBeGreaterThan(8)
    for (const schema of types)
      expect(schema).toMatchObject({ type: "integer", minimum: expect.any(Number), maximum: expect.any(Number) })
  })

  it("leaves an integer without a range only where one has none: a rank, what a labeller's clock said, a strength that is refused by name", () => {
    const text = JSON.stringify(document)
    const unlimited = [...text.matchAll(/"(\w+)":\{"type":"integer"[^{}]*"minimum":-9007199254740991\b/gu)]
    expect([...new Set(unlimited.map(([, name]) => name))].toSorted()).toEqual([
      "additionalProperties",
      "labelledAt",
      "value",
    ])
  })

  it("shows of every error each problem that it may be, and no other", () => {
    for (const { name, operation } of operations) {
      for (const [status, { content = {} }] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue
        const { schema, examples = {} } = content["application/problem+json"] as {
          readonly schema: object
          readonly examples?: Readonly<Record<string, { readonly value: { readonly type: string } }>>
        }
        const named = [...JSON.stringify(schema).matchAll(/schemas\/(\w+)/gu)].map(([, problem]) => problem!)
        expect(Object.keys(examples).toSorted(), `${name} ${status}`).toEqual(named.toSorted())
        for (const problem of named) {
          const { type } = components[problem]!.properties!
          expect(type!.enum, `${name} ${problem}`).toEqual([examples[problem]!.value.type])
        }
      }
    }
  })

  it("has a summary, a description, an example of each body and described parameters for every operation", () => {
    for (const { name, operation } of operations) {
      expect(operation.summary, name).toMatch(/^[A-Z].*[^.]$/u)
      expect(operation.description, name).toMatch(/^[A-Z].*\.$/u)
      for (const content of mediaOf(operation)) expect(content, name).toHaveProperty("example")
      for (const parameter of operation.parameters) {
        expect(parameter.description, `${name} ${parameter.name}`).toMatch(/\.$/u)
        if (parameter.required) expect(parameter, `${name} ${parameter.name}`).toHaveProperty("example")
      }
    }
  })
})
