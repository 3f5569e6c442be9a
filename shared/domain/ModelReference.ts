// How a model is named: in the registry by name and version.
import { Schema } from "effect"
import { Version } from "./bounds.ts"

export const MODEL_NAME_MEND =
  "use 1 to 64 lower-case letters, digits, dots, hyphens and underscores, beginning and ending with a letter or digit"

export const ModelName = Schema.String.check(
  Schema.isPattern(/^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/u, { message: MODEL_NAME_MEND }),
)

export const ModelReference = Schema.Struct({ name: ModelName, version: Version }).annotate({
  identifier: "ModelReference",
})
export type ModelReference = typeof ModelReference.Type
