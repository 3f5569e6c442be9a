// What /openapi.json says of an operation beyond its schemas: a summary, a description and an example. Each stands with its
// endpoint; document.ts writes them into the document, and a test sends every example to a real gateway.
import { Context } from "effect"
import { OpenApi } from "effect/http-api"

/** Bodies of a call, as JSON where the operation speaks JSON, else as text. Parameters have examples of their own. */
export interface ExampleCall {
  readonly body?: unknown
  readonly answer?: unknown
  /** The same answer where the operation also speaks text/html. */
  readonly page?: string
}

/** Annotation of an endpoint: a call of it. */
export class Example extends Context.Service<Example, ExampleCall>()("yohaku/api/Example") {}

export interface SignatureHeader {
  readonly description: string
  readonly schema: object
  readonly example: string
}

/**
 * Annotation of an endpoint whose body is signed: the headers that carry the signature. They are no part of its schema, because
 * their absence is answered as a signature that is not valid.
 */
export class SignatureHeaders extends Context.Service<SignatureHeaders, Readonly<Record<string, SignatureHeader>>>()(
  "yohaku/api/SignatureHeaders",
) {}

/** `summary` is a line without a full stop, `description` whole sentences. */
export const described = (summary: string, description: string, example: ExampleCall = {}): Context.Context<Example> =>
  Context.merge(OpenApi.annotations({ summary, description }), Context.make(Example, example))
