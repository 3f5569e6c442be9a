// API keys as the outside sees them. The secret is shown once, when the key is made; only its keyed hash is stored.
import { Schema } from "effect"
import { TimeMs } from "./bounds.ts"

/** What a key may do. `admin` includes all the others. */
export const Scope = Schema.Literals(["ingest", "read", "train", "promote", "runner", "admin"])
export type Scope = typeof Scope.Type

export const ApiKey = Schema.Struct({
  id: Schema.String,
  label: Schema.String,
  scopes: Schema.Array(Scope),
  createdAt: TimeMs,
  expiresAt: Schema.optionalKey(TimeMs),
})
export type ApiKey = typeof ApiKey.Type

/** `revokedAt`: since then it is dead. */
export const ListedApiKey = Schema.Struct({
  ...ApiKey.fields,
  revokedAt: Schema.optionalKey(TimeMs),
}).annotate({ identifier: "ListedApiKey" })
export type ListedApiKey = typeof ListedApiKey.Type
