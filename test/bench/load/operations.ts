// The operations of the OpenAPI document that a running gateway serves: what each takes, and which answers it may give.

/** A JSON schema, as far as the document uses it. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly propertyNames?: JsonSchema
  readonly prefixItems?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly format?: string
}

export interface ApiParameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  readonly required: boolean
  readonly schema: JsonSchema
}

export interface Operation {
  readonly id: string
  /** In capitals. */
  readonly method: string
  /** With parameters as `{name}`. */
  readonly path: string
  readonly parameters: readonly ApiParameter[]
  readonly body: { readonly media: string; readonly schema: JsonSchema } | undefined
  readonly statuses: ReadonlySet<number>
  readonly needsKey: boolean
}

interface Written {
  readonly operationId: string
  readonly parameters?: readonly ApiParameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> }
  readonly responses: Readonly<Record<string, unknown>>
  readonly security?: readonly unknown[]
}

export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Written>>>>
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> }
}

const METHODS = new Set(["get", "put", "post", "delete", "patch"])

const operationOf = (path: string, method: string, written: Written): Operation => {
  const [media, content] = Object.entries(written.requestBody?.content ?? {})[0] ?? []
  return {
    id: written.operationId,
    method: method.toUpperCase(),
    path,
    parameters: written.parameters ?? [],
    body: media === undefined || content === undefined ? undefined : { media, schema: content.schema },
    statuses: new Set(Object.keys(written.responses).map(Number)),
    needsKey: (written.security ?? []).length > 0,
  }
}

export const operationsOf = ({ paths }: ApiDocument): readonly Operation[] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => METHODS.has(method))
      .map(([method, written]) => operationOf(path, method, written)),
  )
