// Parameters that many endpoints share.
import { Schema } from "effect"
import { BOUNDS, Count, nameOf, StoredName } from "#shared/domain/bounds.ts"
import { Digest } from "#shared/domain/Files.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import type { SignatureHeader } from "./described.ts"
import {
  ADAPTER_NAME,
  ARTEFACT,
  DATASET_ID,
  DELIVERY_DIGEST,
  ENDPOINT_ID,
  EVALUATION_ID,
  JOB_ID,
  KEY_ID,
  MADE_ENDPOINT,
  MODEL_NAME,
  RUN_ID,
  UPLOAD_ID,
} from "./examples.ts"

const nameParameter = (description: string, example: string) =>
  StoredName.annotate({ description, examples: [example] })
const digestParameter = (description: string, example: string) => Digest.annotate({ description, examples: [example] })

export const datasetParams = { id: nameParameter("The dataset.", DATASET_ID) }
export const runParams = { id: nameParameter("The run.", RUN_ID) }
export const keyParams = { id: nameParameter("The id of the key, not the key.", KEY_ID) }
export const endpointParams = { endpointId: nameParameter("The webhook endpoint.", ENDPOINT_ID) }
export const modelParams = { name: nameParameter("The model.", MODEL_NAME) }
export const evaluatedParams = { name: nameParameter("The model that is evaluated.", ADAPTER_NAME) }
export const evaluationParams = { ...evaluatedParams, id: nameParameter("The evaluation.", EVALUATION_ID) }
export const jobParams = { jobId: nameParameter("The leased job.", JOB_ID) }
export const blobParams = { digest: digestParameter("SHA-256 of the bytes, hex.", ARTEFACT.digest) }
export const PartNumber = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: LIMITS.parts }))
export const uploadParams = { uploadId: nameParameter("The upload.", UPLOAD_ID) }
export const partParams = {
  ...uploadParams,
  number: PartNumber.annotate({ description: "Which part: the first is 1.", examples: [1] }),
}
export const deliveryParams = {
  ...endpointParams,
  digest: digestParameter("SHA-256 of the delivery's body, hex.", DELIVERY_DIGEST),
}

/** 1 to 255 visible ASCII characters. */
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/

/** Optional in the schema because its absence has a problem of its own, which says what to send. */
export const idempotencyHeaders = {
  "idempotency-key": Schema.optionalKey(
    Schema.String.annotate({
      description: "The same key with the same request has one effect and one answer.",
      examples: ["a-key-of-your-own-1"],
    }),
  ),
}

export const fencingHeaders = {
  "yohaku-fencing-token": Count.annotate({
    description: "The lease's fencing token: rises with every lease.",
    examples: [1],
  }),
}

/** Of uploads that a runner makes for its job: with both, no call is taken once another runner has the job. */
export const leaseHeaders = {
  "yohaku-job": Schema.optionalKey(
    StoredName.annotate({ description: "A runner's: the leased job that the file is of; else left out." }),
  ),
  "yohaku-fencing-token": Schema.optionalKey(
    Count.annotate({ description: "With `yohaku-job`: the lease's fencing token." }),
  ),
}

export const pageQuery = {
  cursor: Schema.optionalKey(
    nameOf(BOUNDS.sentence).annotate({ description: "`nextCursor` of the page before; the first page without." }),
  ),
  limit: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })).annotate({
      description: "How many items a page has at most.",
      examples: [20],
    }),
  ),
}

/** One page of a list; `nextCursor` is absent on the last. */
export const Page = <Item extends Schema.Top>(item: Item) =>
  Schema.Struct({ items: Schema.Array(item), nextCursor: Schema.optionalKey(Schema.String) })

/** Of Standard Webhooks, https://www.standardwebhooks.com. */
export const STANDARD_SIGNATURE: Readonly<Record<string, SignatureHeader>> = {
  "webhook-id": {
    description: "The delivery's own id; the same one is the same delivery.",
    schema: { type: "string", pattern: "^[^.]{1,255}$" },
    example: "msg_1",
  },
  "webhook-timestamp": {
    description: "Seconds since the Unix epoch, at most five minutes off.",
    schema: { type: "string", pattern: "^[0-9]{1,12}$" },
    example: "1795858200",
  },
  "webhook-signature": {
    description: "`v1,` and the base64 of HMAC-SHA-256 over id, timestamp and body; several with spaces between.",
    schema: { type: "string", pattern: "(^| )v1,[A-Za-z0-9+/]+=*( |$)" },
    example: "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
  },
}

export const STATIC_SECRET: Readonly<Record<string, SignatureHeader>> = {
  "x-yohaku-secret": {
    description: "The endpoint's secret.",
    schema: { type: "string", minLength: 16, maxLength: BOUNDS.label },
    example: MADE_ENDPOINT.secret,
  },
}
