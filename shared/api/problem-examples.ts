// What the errors of /openapi.json look like: real problems, made by the constructors that answer them and encoded as answers are.
// Those that read alike everywhere stand once; what an operation, or a group of them, says in words of its own stands under its name.
// `test/workers/gateway/openapi-problems.test.ts` holds all of them to their schemas, and provokes some to compare.
import { Schema } from "effect"
import { unservableLength } from "#shared/domain/servable-config.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import {
  ADAPTER_NAME,
  ARTEFACT,
  DATASET,
  DATASET_ID,
  EVALUATION_ID,
  JOB_ID,
  KEY_ID,
  MODEL_NAME,
  RUN_ID,
  UPLOAD_ID,
} from "./examples.ts"
import {
  BodyTooLarge,
  Conflict,
  DatasetNotFound,
  DigestMismatch,
  Forbidden,
  IdempotencyKeyMissing,
  IdempotencyKeyReused,
  InternalError,
  InvalidComparison,
  InvalidCursor,
  InvalidRequest,
  InvalidSignature,
  LengthRequired,
  MalformedJson,
  Misconfigured,
  ModelIncomplete,
  NotFound,
  PartUnfit,
  RangeNotSatisfiable,
  ReferenceModelUnusable,
  StaleLease,
  Unauthenticated,
  Unavailable,
  UnsupportedMedia,
  UnusableDelivery,
  UnusableRequest,
  UploadIncomplete,
} from "./problems.ts"

interface Problem {
  readonly _tag: string
}

const tooLarge = (limitBytes: number, mend: string) =>
  new BodyTooLarge({ limitBytes, detail: `The body is larger than ${limitBytes} bytes; ${mend}.` })
const tooLargeFile = tooLarge(LIMITS.modelFileBytes, "send less in one request")
const noFile = new NotFound({
  resource: "blob",
  detail: `There is no blob ${ARTEFACT.digest}; upload it with PUT /v1/blobs/${ARTEFACT.digest}.`,
})
const noEndpoint = new NotFound({
  resource: "webhook endpoint",
  detail: "There is no such webhook endpoint; compare the address with the one shown when it was created.",
})
const noRun = (detail: string) => new NotFound({ resource: "run", detail })
const noDataset = noRun(`there is no dataset "${DATASET_ID}"; create it first`)
const ofBase = new UnusableRequest({
  detail: `"${MODEL_NAME}" is a base model; channels point at adapters: name one`,
})

const EVERYWHERE: readonly Problem[] = [
  tooLarge(LIMITS.jsonBodyBytes, "send less in one request"),
  new DatasetNotFound({
    detail: `There is no dataset "${DATASET_ID}"; create it with POST /v1/datasets, or look with GET /v1/datasets.`,
  }),
  new DigestMismatch({
    detail: `The bytes do not have the digest ${ARTEFACT.digest}; send the digest of what is uploaded.`,
  }),
  new IdempotencyKeyMissing({
    detail: "Send an Idempotency-Key header that is new for every new request, such as a UUID.",
  }),
  new IdempotencyKeyReused({
    detail:
      "Send this request under a new Idempotency-Key, or repeat the first request exactly to get its answer again.",
  }),
  new InternalError({
    detail: "Send the request again with the same Idempotency-Key; if it fails again, see the worker's log.",
  }),
  new InvalidComparison({
    reason: "identical-responses",
    detail: "all candidates say the same; send the response it was compared with",
  }),
  new InvalidCursor({
    detail: "Send the nextCursor of the page before, unchanged, or none to begin again.",
  }),
  new InvalidRequest({
    detail: "query.note: nothing of that name is known here; leave it out. Compare the request with /openapi.json.",
    errors: [{ path: ["query", "note"], message: "nothing of that name is known here; leave it out" }],
  }),
  new InvalidSignature({
    detail: "Sign with the endpoint's secret, over the body exactly as it is sent, no more than five minutes ago.",
  }),
  new LengthRequired({ detail: "Send a Content-Length: an upload is streamed to its store." }),
  new MalformedJson({ detail: "The body is not acceptable JSON: it does not parse; send one JSON value." }),
  new Misconfigured({
    detail:
      "Set the secret YOHAKU_PEPPER to at least 32 random characters: in .dev.vars for a local worker, with `wrangler secret put YOHAKU_PEPPER` for a deployed one.",
  }),
  new ModelIncomplete({ missing: ["tokenizer.json"], detail: "The model lacks tokenizer.json; upload and name them." }),
  new ReferenceModelUnusable({
    detail: `There is no base model "${MODEL_NAME}"; register it with POST /v1/models.`,
  }),
  new StaleLease({
    detail: `token 1 no longer holds job "${JOB_ID}": runner "runner-2" holds it under token 2; drop the work and lease again`,
  }),
  new Unauthenticated({
    detail: "Send a valid, unexpired key as `Authorization: Bearer yhk_…`; an admin makes keys with POST /v1/keys.",
  }),
  new Unavailable({ detail: "the orchestrator does not answer; send the request again in a moment." }),
  new UnsupportedMedia({ detail: "Send the body without Content-Encoding." }),
  new UnusableDelivery({
    detail:
      "The annotation compares nothing: the annotation holds no results; name the compared fields in the mapping's `responses`.",
  }),
]

/** Of one operation, or of all of a group. */
const OWN: Readonly<Record<string, readonly Problem[]>> = {
  "datasets.create": [
    new Conflict({ detail: `The dataset "${DATASET_ID}" exists; choose another id.` }),
    new UnusableRequest({
      detail: 'systemText is a turn of a conversation, and promptForm "text" has none; leave one of them out',
    }),
  ],
  "datasets.change": [new UnusableRequest({ detail: `retrainConfig: ${unservableLength(512, DATASET.maxLength)}` })],
  "datasets.remove": [
    new Conflict({
      detail: `Run "${RUN_ID}" of the dataset is under way; cancel it with POST /v1/runs/${RUN_ID}/cancel, or wait for its end, then delete the dataset.`,
    }),
    new UnusableRequest({
      detail: `A deletion cannot be undone: name the dataset again, as ?confirm=${DATASET_ID}.`,
    }),
  ],
  "datasets.deleteWebhook": [noEndpoint],
  "datasets.createWebhook": [
    new UnusableRequest({
      detail: "The secret is sent as a header: use at least 16 visible ASCII characters, or leave it out to get one.",
    }),
  ],
  "datasets.rotateWebhook": [
    noEndpoint,
    new Conflict({ detail: "Another rotation was quicker; use its secret, or rotate again for one more." }),
  ],
  "comparisons.createMany": [tooLarge(LIMITS.bulkBodyBytes, "send it in parts")],
  webhooks: [noEndpoint],
  "webhooks.labelStudio": [
    new InvalidSignature({
      detail: "Send the endpoint's secret in the header x-yohaku-secret; Label Studio's webhook settings take headers.",
    }),
  ],
  deliveries: [noEndpoint],
  "runs.trigger": [noDataset],
  "runs.create": [
    noDataset,
    new UnusableRequest({
      detail: `"${MODEL_NAME}" is the name of a base model; give the adapter another name (modelName)`,
    }),
  ],
  "runs.cancel": [new Conflict({ detail: `run "${RUN_ID}" has succeeded already` })],
  runs: [noRun(`there is no run "${RUN_ID}"; list the runs`)],
  "models.putBlob": [tooLargeFile],
  "models.getBlob": [
    noFile,
    new RangeNotSatisfiable({
      bytes: 7,
      detail: "The file has 7 bytes; ask for a range that begins before its end, or for the whole.",
    }),
  ],
  "uploads.putPart": [
    tooLarge(LIMITS.leastPartBytes, "send less in one request"),
    new PartUnfit({
      ...{ parts: 1, expectedBytes: 7 },
      detail: `Part 1 has 7 bytes; cut the file into parts of ${LIMITS.leastPartBytes} bytes, the last of the rest.`,
    }),
  ],
  "uploads.complete": [
    new UploadIncomplete({
      ...{ lacking: 1, missing: [1] },
      detail: "1 part is missing, the first is 1; send them, then complete the upload again.",
    }),
  ],
  uploads: [
    new NotFound({
      resource: "upload",
      detail: `There is no upload "${UPLOAD_ID}" under way; begin with POST /v1/uploads, which says what is stored already.`,
    }),
    new UnusableRequest({ detail: "Send yohaku-job and yohaku-fencing-token together, or neither." }),
  ],
  "models.create": [
    new Conflict({ detail: `"${MODEL_NAME}" is the name of a model of kind adapter; choose another name` }),
    new UnusableRequest({
      detail: "files maps at least one file name to the digest of an uploaded blob",
    }),
  ],
  "models.get": [
    new NotFound({
      resource: "model",
      detail: `There is no model "${MODEL_NAME}"; GET /v1/models lists what there is.`,
    }),
  ],
  "models.moveChannel": [
    new NotFound({ resource: "model", detail: `"${MODEL_NAME}" has no version 2; list its versions` }),
    new Conflict({ detail: `production of "${MODEL_NAME}" points at 3 and not at 1; look again` }),
    ofBase,
  ],
  "models.rollback": [
    new NotFound({
      resource: "channel",
      detail: `"${MODEL_NAME}" has no production channel; promote a version first`,
    }),
    new Conflict({
      detail: `production of "${MODEL_NAME}" has never served anything but version 1; move it to a version instead`,
    }),
    ofBase,
  ],
  "evaluations.create": [
    new NotFound({
      resource: "model",
      detail: `${ADAPTER_NAME}@2 is not registered; GET /v1/models lists what there is`,
    }),
    new UnusableRequest({ detail: "judge: a model that judges its own answers likes them; name another judge" }),
  ],
  "evaluations.cancel": [new Conflict({ detail: `evaluation "${EVALUATION_ID}" has succeeded already` })],
  evaluations: [
    new NotFound({
      resource: "evaluation",
      detail: `"${ADAPTER_NAME}" has no evaluation "${EVALUATION_ID}"; list its evaluations`,
    }),
  ],
  "runner.putArtefact": [tooLargeFile],
  "runner.complete": [
    new UnusableRequest({ detail: `job "${JOB_ID}" is done with another result; the first one stays` }),
  ],
  runner: [
    new NotFound({ resource: "job", detail: `there is no job "${JOB_ID}"; lease one` }),
    new UnusableRequest({ detail: `send at most 1000 lines from a step of 0 to ${LIMITS.lastStep}` }),
  ],
  "keys.create": [
    new UnusableRequest({
      detail:
        "expiresAt 1 has passed already, so the key could never be used; give a time after 1795858200000, in milliseconds since 1970, or leave it out.",
    }),
  ],
  "keys.revoke": [new NotFound({ resource: "api key", detail: `There is no API key "${KEY_ID}".` })],
}

const encoded = (problem: Problem): unknown =>
  Schema.encodeUnknownSync(problem.constructor as unknown as Schema.Codec<Problem, unknown>)(problem)

/** The problem of this name as the operation answers it; undefined where nobody has shown one. */
export const problemExample = (operationId: string, scopes: readonly string[], name: string): unknown => {
  const [group = ""] = operationId.split(".")
  const forbidden = new Forbidden({ detail: `Use a key with the scope ${scopes.join(" or ")}.` })
  const shown = [...(OWN[operationId] ?? []), ...(OWN[group] ?? []), forbidden, ...EVERYWHERE]
  const found = shown.find(({ _tag }) => _tag === name)
  return found && encoded(found)
}
