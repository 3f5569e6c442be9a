// What HTTP itself lets a client do: parameters, paths, headers and methods that nobody expects.
import type { ApiParameter } from "./operations.ts"
import type { Random } from "./Random.ts"
import type { World } from "./World.ts"

export type Headers = Record<string, string | string[]>

/** Written into a path as they are. */
const RAW_SEGMENTS = [
  ...["", ".", "..", "%2e%2e%2fetc", "%zz", "%", "%00", "%ff", "%c3%28", "%ed%a0%80", "*", "-", "__proto__", "null"],
  ...[
    "constructor",
    "0",
    "-1",
    "9007199254740993",
    "x".repeat(513),
    "y".repeat(6000),
    "%F0%9F%98%80",
    "a%2Fb",
    "a;b=c",
  ],
  ...["'%20OR%201=1--", "%7B%7D", "caf%C3%A9", "a+b", "%25", "~", "production", "candidate"],
]

const QUERY_PARTS = [
  ...[
    "unknown=1",
    "limit=0",
    "limit=-1",
    "limit=101",
    "limit=NaN",
    "limit=1e9",
    "limit=",
    "limit=1&limit=2",
    "limit=1.5",
  ],
  ...[
    "cursor=",
    "cursor=x",
    "cursor=%00",
    "cursor=%zz",
    "cursor=%ff",
    "cursor=eyJhIjoxfQ",
    `cursor=${"z".repeat(2000)}`,
  ],
  ...[
    "status=unknown",
    "status=ready&status=dropped",
    "include=text&include=text",
    "format=rows",
    "format=xml",
    "&&&",
    "=",
    "?",
  ],
  ...["__proto__=1", "datasetId=%ff", "datasetId=", "endpoint=%27", "fromStep=1e400", "fromStep=-1", "fromStep=0x10"],
]

const AUTHORIZATIONS = [
  ...["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer x", "bearer yhk_local_a_b", "Bearer yhk_other_abc_def"],
  ...[
    "Bearer yhk_local_\u00e9_\u00ff",
    `Bearer ${"k".repeat(4000)}`,
    "Bearer a b c",
    "Negotiate",
    "Bearer yhk_local_bootstrap_x",
  ],
]

const HEADERS: readonly Headers[] = [
  { "content-type": "text/plain" },
  { "content-type": "" },
  { "content-type": "application/json; charset=utf-16" },
  { "content-type": "multipart/form-data" },
  { "content-type": "APPLICATION/JSON ; a=b" },
  { "content-encoding": "gzip" },
  { "content-encoding": "br, identity" },
  { "idempotency-key": "" },
  { "idempotency-key": "k".repeat(256) },
  { "idempotency-key": "\u00e9\u00ff" },
  { "idempotency-key": ["one", "two"] },
  { "idempotency-key": "a b" },
  { "yohaku-fencing-token": "NaN" },
  { "yohaku-fencing-token": "9007199254740993" },
  { "yohaku-fencing-token": "1e400" },
  { "yohaku-fencing-token": "-0" },
  { "yohaku-fencing-token": ["1", "2"] },
  { "if-none-match": "*" },
  { "if-none-match": 'W/"x", "y"' },
  { "if-match": '"nothing"' },
  { "if-modified-since": "Thu, 99 Foo 9999 99:99:99 GMT" },
  { range: "bytes=0-1" },
  { range: "bytes=9-1,x" },
  { accept: "text/html;q=0.1, nonsense" },
  { "accept-encoding": "x, gzip;q=0.1" },
  { "accept-language": "x".repeat(7000) },
  { "x-http-method-override": "DELETE" },
  { origin: "https://evil.example", "access-control-request-method": "DELETE" },
  { "webhook-id": "\u00ff", "webhook-timestamp": "NaN", "webhook-signature": "v1,????" },
  { "webhook-timestamp": "99999999999999999999" },
  { "x-yohaku-secret": "\u00e9".repeat(300) },
  { cookie: "a=b; c" },
  { traceparent: "00-zz" },
  { "cf-connecting-ip": "::::" },
  { "x-forwarded-for": "'; --" },
]

/** All but those that HTTP servers refuse before any program sees them. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "SEARCH", "PURGE"]

export const anyMethod = (random: Random): string => random.pick(METHODS)

const knownId = (name: string, path: string, world: World, random: Random): string | undefined => {
  const of = (values: readonly string[]): string | undefined => (values.length === 0 ? undefined : random.pick(values))
  if (name === "digest") return of(world.digests)
  if (name === "jobId") return of(world.jobs.map((job) => job.id))
  if (name === "uploadId") return of(world.uploads.map(({ uploadId }) => uploadId))
  if (name === "number") return String(random.chance(0.9) ? 1 : random.below(12_000))
  if (name === "channel") return random.pick(["production", "candidate"])
  if (name === "name") return of(world.models)
  if (name === "endpointId") return of(world.spareEndpoints.map((endpoint) => endpoint.id))
  if (path.startsWith("/v1/keys")) return of(world.spareKeys)
  if (path.startsWith("/v1/runs")) return of(world.runs)
  return of(world.datasets)
}

export const anySegment = (random: Random, world: World): string =>
  random.chance(0.3)
    ? encodeURIComponent(random.pick([...world.datasets, ...world.models, ...world.digests, ...world.runs]))
    : random.pick(RAW_SEGMENTS)

/** A path parameter as it should be: mostly of something that exists. */
export const segmentOf = (parameter: ApiParameter, path: string, world: World, random: Random): string => {
  const known = random.chance(0.85) ? knownId(parameter.name, path, world, random) : undefined
  return encodeURIComponent(known ?? `none-${random.below(1000)}`)
}

/** A path that is near to the given one. */
export const spoiledPath = (path: string, random: Random): string =>
  random.pick([
    `${path}/`,
    `/${path}`,
    path.toUpperCase(),
    `${path}//`,
    `${path}/..`,
    `${path}%`,
    path.slice(0, -1),
    `${path};x`,
  ])

export const spoiledQuery = (query: string, random: Random): string =>
  [query, ...Array.from({ length: 1 + random.below(2) }, () => random.pick(QUERY_PARTS))].filter(Boolean).join("&")

export const spoiledHeaders = (headers: Headers, random: Random): Headers => {
  const copy = { ...headers }
  const names = Object.keys(copy)
  switch (random.weighted({ authorization: 3, drop: 2, set: 6 })) {
    case "authorization":
      return { ...copy, authorization: random.pick(AUTHORIZATIONS) }
    case "drop":
      if (names.length > 0) delete copy[random.pick(names)]
      return copy
    case "set":
      return { ...copy, ...random.pick(HEADERS) }
  }
}
