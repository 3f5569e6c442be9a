// /openapi.json as its readers need it. What Effect derives from the definitions is completed: numbers of parameters are numbers,
// headers that are required are said to be, and every operation has the example that stands with its endpoint.
import { Context, Option, Schema } from "effect"
import { HttpApi, type HttpApiEndpoint, type HttpApiGroup, type OpenApi } from "effect/http-api"
import { Example, type ExampleCall, SignatureHeaders } from "./described.ts"
import { IdempotencyKeyOptional, RequiredScopes } from "./middleware.ts"
import { IDEMPOTENCY_KEY } from "./parameters.ts"
import { problemExample } from "./problem-examples.ts"

type Operation = OpenApi.OpenAPISpecOperation
type Parameter = OpenApi.OpenAPISpecParameter & { readonly example?: unknown }

interface ParameterSchema {
  readonly description?: string
  readonly examples?: readonly unknown[]
}

/** Of answers, in the place of the `Success` that Effect writes. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  200: "Done; the body says what was asked for or what became of it.",
  201: "Made.",
  202: "Taken: no crash loses it, and what follows from it comes a moment later.",
  204: "Done; there is nothing to say.",
}

/** Each deployment serves itself. */
export const SERVERS = [
  { url: "/", description: "The deployment that this document came from" },
  {
    url: "http://127.0.0.1:{port}",
    description: "A system on this machine, as `npm start` serves it",
    variables: { port: { default: "8787", description: "`--port`" } },
  },
]

export const CONTACT = { name: "Whoever runs this deployment" }

/** A parameter as it is meant, not as the text that carries it: an integer has its range. */
const parametersOf = (schema: Schema.Top | undefined, place: Parameter["in"]): Parameter[] => {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = Schema.toJsonSchemaDocument(Schema.toType(schema)).schema as {
    properties?: Record<string, ParameterSchema>
    required?: readonly string[]
  }
  return Object.entries(properties).map(([name, { description, examples, ...rest }]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: rest,
    ...(description === undefined ? {} : { description }),
    ...(examples === undefined ? {} : { example: examples[0] }),
  }))
}

const signatureParameters = (annotations: Context.Context<never>): Parameter[] =>
  Object.entries(Option.getOrElse(Context.getOption(annotations, SignatureHeaders), () => ({}))).map(
    ([name, header]) => ({
      name,
      in: "header",
      required: true,
      ...header,
    }),
  )

/** The gateway itself answers the absence of this header and its shape, with a problem that says what to send. */
const withKey = (parameter: Parameter, annotations: Context.Context<never>): Parameter => {
  if (parameter.name !== "idempotency-key") return parameter
  const isOptional = Context.getOrElse(annotations, IdempotencyKeyOptional, () => false)
  return { ...parameter, required: !isOptional, schema: { type: "string", pattern: IDEMPOTENCY_KEY.source } }
}

const allParameters = (endpoint: HttpApiEndpoint.Top): Parameter[] =>
  [
    ...parametersOf(endpoint.params, "path"),
    ...parametersOf(endpoint.query, "query"),
    ...parametersOf(endpoint.headers, "header"),
    ...signatureParameters(endpoint.annotations),
  ].map((parameter) => withKey(parameter, endpoint.annotations))

/** NDJSON is text, though the gateway reads what is uploaded as bytes. */
const textSchema = { type: "string" } as const

/** The bodies of one request or response, with the example in each; of a page its own. */
const withExample = (
  content: NonNullable<Operation["responses"][number]["content"]>,
  example: unknown,
  page?: string,
): typeof content =>
  Object.fromEntries(
    Object.entries(content).map(([type, media]) => {
      const schema = type === "application/x-ndjson" ? textSchema : media.schema
      const shown = type.startsWith("text/html") ? page : example
      return [type, { ...media, schema, ...(shown === undefined ? {} : { example: shown }) }]
    }),
  )

const plainName = (name: string): string => name.replace(/Encoded$/u, "")

/** The bodies of an error, each with a problem of every kind that it may be. */
const withProblems = (
  content: NonNullable<Operation["responses"][number]["content"]>,
  example: (name: string) => unknown,
): typeof content =>
  Object.fromEntries(
    Object.entries(content).map(([type, media]) => {
      const names = JSON.stringify(media.schema).matchAll(/"#\/components\/schemas\/(\w+)"/gu)
      const examples = [...names].map(([, name]) => [plainName(name!), { value: example(plainName(name!)) }])
      return [type, { ...media, examples: Object.fromEntries(examples) }]
    }),
  )

const completedResponses = (
  responses: Operation["responses"],
  { answer, page }: ExampleCall,
  problem: (name: string) => unknown,
): Operation["responses"] =>
  Object.fromEntries(
    Object.entries(responses).map(([status, response]) => {
      const { content } = response
      const described = { ...response, description: DESCRIPTIONS[status] ?? response.description }
      if (content === undefined) return [status, described]
      const isProblem = Number(status) >= 400
      const shown = isProblem ? withProblems(content, problem) : withExample(content, answer, page)
      return [status, { ...described, content: shown }]
    }),
  )

const completedOperation = (operation: Operation, endpoint: HttpApiEndpoint.Top): Operation => {
  const example = Option.getOrElse(Context.getOption(endpoint.annotations, Example), (): ExampleCall => ({}))
  const scopes = Context.getOrElse(endpoint.annotations, RequiredScopes, () => [])
  const { requestBody, description = "" } = operation
  return {
    ...operation,
    description:
      scopes.length === 0
        ? description
        : `${description} Scope: ${scopes.map((scope) => `\`${scope}\``).join(" or ")}.`,
    parameters: allParameters(endpoint),
    ...(requestBody === undefined
      ? {}
      : { requestBody: { ...requestBody, content: withExample(requestBody.content, example.body) } }),
    responses: completedResponses(operation.responses, example, (name) =>
      problemExample(operation.operationId, scopes, name),
    ),
  }
}

/** A list that is not empty, said by its length: to generators a first item of its own is a tuple of one. */
const withoutFirstItem = ({ prefixItems, ...rest }: { prefixItems: unknown; items?: unknown }): object =>
  JSON.stringify(prefixItems) === JSON.stringify([rest.items]) ? rest : { prefixItems, ...rest }

/** What Effect says in ways of its own: `NotFoundEncoded` for the problem that is sent, a non-empty list as a first item and others. */
const inPlainForms = <Document extends object>(document: Document): Document =>
  JSON.parse(
    JSON.stringify(document, (key, value: unknown) => {
      if (key === "$ref" && typeof value === "string") return plainName(value)
      if (typeof value !== "object" || value === null) return value
      if (key === "schemas") return Object.fromEntries(Object.entries(value).map(([name, it]) => [plainName(name), it]))
      return "prefixItems" in value ? withoutFirstItem(value) : value
    }),
  ) as Document

/** Completes what Effect derived from `api`; names the scheme of keys in lower case, as generators look for it. */
export const completedDocument = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  document: Record<string, unknown>,
): Record<string, unknown> => {
  const derived = document as unknown as OpenApi.OpenAPISpec
  const paths: Record<string, Record<string, Operation>> = {}
  HttpApi.reflect(api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint }) => {
      const path = endpoint.path.replaceAll(/:(\w+)/gu, "{$1}")
      const method = endpoint.method.toLowerCase() as OpenApi.OpenAPISpecMethodName
      const operation = derived.paths[path]?.[method]
      if (operation !== undefined) paths[path] = { ...paths[path], [method]: completedOperation(operation, endpoint) }
    },
  })
  const { securitySchemes } = derived.components
  const bearer = { ...securitySchemes.bearer, scheme: "bearer" }
  const components = { ...derived.components, securitySchemes: { ...securitySchemes, bearer } }
  return inPlainForms({ ...document, info: { ...derived.info, contact: CONTACT }, paths, components })
}
