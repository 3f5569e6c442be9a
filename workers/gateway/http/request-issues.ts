// What is wrong with a request that does not decode, in words: what is missing, and of a parameter what it is, in the words of the document.
import { Schema, SchemaIssue } from "effect"
import type { HttpApiEndpoint } from "effect/http-api"

export type RequestPart = "Params" | "Headers" | "Query" | "Payload"

export interface RequestFault {
  readonly path: (string | number)[]
  readonly message: string
}

const MOST_FAULTS = 20

const PLACES = { Params: "path", Headers: "headers", Query: "query", Payload: "body" } as const

/** The schema's own words for these are for who wrote it. */
const inWords: SchemaIssue.LeafHook = (issue) => {
  if (issue._tag === "MissingKey") return "it is missing"
  if (issue._tag === "UnexpectedKey") return "nothing of that name is known here; leave it out"
  return SchemaIssue.defaultLeafHook(issue)
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1({ leafHook: inWords })

const keyFaults = (issue: SchemaIssue.Issue): number =>
  issue._tag === "Composite"
    ? issue.issues.filter(
        (of) => of._tag === "Pointer" && (of.issue._tag === "UnexpectedKey" || of.issue._tag === "MissingKey"),
      ).length
    : 0

/** Of what fits no form of several, the faults by the forms whose names it has: of a judge with a `url`, not those of a judge without. */
const ofMeantForms = (issue: SchemaIssue.Issue): SchemaIssue.Issue => {
  if (issue._tag === "Pointer") return new SchemaIssue.Pointer(issue.path, ofMeantForms(issue.issue))
  if (issue._tag === "Composite") {
    const [first, ...others] = issue.issues
    return new SchemaIssue.Composite(issue.ast, [ofMeantForms(first), ...others.map(ofMeantForms)])
  }
  if (issue._tag !== "AnyOf" || issue.issues.length === 0) return issue
  const fewest = Math.min(...issue.issues.map(keyFaults))
  const meant = issue.issues.filter((form) => keyFaults(form) === fewest)
  return new SchemaIssue.AnyOf(issue.ast, meant.map(ofMeantForms))
}

const segmentOf = (segment: PropertyKey | { readonly key: PropertyKey }): string | number => {
  const key = typeof segment === "object" ? segment.key : segment
  return typeof key === "number" ? key : String(key)
}

/** What a parameter is, as /openapi.json describes it: a part of a sentence. */
const descriptionOf = (schema: Schema.Top | undefined, name: string | number | undefined): string | undefined => {
  if (schema === undefined) return undefined
  const { properties = {} } = Schema.toJsonSchemaDocument(Schema.toType(schema)).schema as {
    readonly properties?: Readonly<Record<string, { readonly description?: string }>>
  }
  const description = Object.hasOwn(properties, String(name)) ? properties[String(name)]?.description : undefined
  return description?.replace(/\.$/, "").replace(/^[A-Z](?=[a-z ])/, (first) => first.toLowerCase())
}

/** The first faults of a part of the request. */
export const faultsOf = (
  part: RequestPart,
  issue: SchemaIssue.Issue,
  endpoint: HttpApiEndpoint.Top,
): RequestFault[] => {
  const schemas = { Params: endpoint.params, Headers: endpoint.headers, Query: endpoint.query, Payload: undefined }
  return issuesOf(ofMeantForms(issue))
    .issues.slice(0, MOST_FAULTS)
    .map(({ path = [], message }) => {
      const segments = path.map(segmentOf)
      const description = descriptionOf(schemas[part], segments[0])
      return {
        path: [PLACES[part], ...segments],
        message: description === undefined ? message : `${message} (${description})`,
      }
    })
}
