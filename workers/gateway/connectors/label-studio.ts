// Label Studio: annotation events. It does not sign, does not repeat and waits one second, so an answer must come at once.
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"
import { verifyStaticSecret } from "../signatures/static-secret.ts"
import type { Connector } from "./Connector.ts"

export const labelStudio: Connector = {
  source: "label-studio",
  verify: ({ headers }, secrets) => verifyStaticSecret(headers, secrets),
  isRemembered: false,
  read: readLabelStudioEvent,
}
