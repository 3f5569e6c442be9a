// Files by what is in them: a name and the digest of a blob.
import { Schema } from "effect"

export const Digest = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))

/** File name -> blob digest. */
export const Files = Schema.Record(Schema.String, Digest)
export type Files = typeof Files.Type
