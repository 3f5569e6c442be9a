// Files by what is in them: a name and the digest of a blob.
import { Schema } from "effect"
import { BOUNDS } from "./bounds.ts"

export const Digest = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u))
const matchesDigest = Schema.is(Digest)
export const isDigest = (value: unknown): value is string => matchesDigest(value)

/** A plain name: no path, no dot in front. */
const FileName = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/u, {
    message: "name a file by 1 to 128 letters, digits, dots, hyphens and underscores, with no dot in front",
  }),
)

/** File name -> blob digest. */
export const Files = Schema.Record(Schema.String, Digest).check(
  Schema.isPropertyNames(FileName),
  Schema.isMaxProperties(BOUNDS.files),
)
export type Files = typeof Files.Type
