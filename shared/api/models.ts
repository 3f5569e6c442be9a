// Blobs named by their digest, and the models made of them.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Count, Version } from "#shared/domain/bounds.ts"
import { ModelName } from "#shared/domain/Dataset.ts"
import { Digest, Files } from "#shared/domain/Files.ts"
import { Channel, ChannelPointer, HubSource, ModelKind, ModelVersion } from "#shared/domain/Model.ts"
import { Watch } from "#shared/domain/Watch.ts"
import { described } from "./described.ts"
import { ARTEFACT, BASE_FILES, CHANNEL, MODEL, MODEL_NAME, WATCH } from "./examples.ts"
import { Authorization, BodyGuard, Idempotency, IdempotencyKeyOptional, RequiredScopes } from "./middleware.ts"
import { blobParams, idempotencyHeaders, modelParams } from "./parameters.ts"
import {
  BodyTooLarge,
  Conflict,
  DigestMismatch,
  LengthRequired,
  ModelIncomplete,
  NotFound,
  RangeNotSatisfiable,
  UnsupportedMedia,
  UnusableRequest,
} from "./problems.ts"

export const StoredBlob = Schema.Struct({
  digest: Digest,
  bytes: Count,
  /** False when the same bytes were stored before. */
  created: Schema.Boolean,
}).annotate({ identifier: "StoredBlob" })

export const NewModel = Schema.Struct({
  name: ModelName,
  kind: Schema.Literal("base"),
  /** File name -> digest of an uploaded blob. */
  files: Files,
  /** With it the weights need not be stored: runners fetch them there, and refuse other bytes. */
  source: Schema.optionalKey(HubSource),
}).annotate({ identifier: "NewModel" })

export const ModelSummary = Schema.Struct({
  name: Schema.String,
  kind: ModelKind,
  newestVersion: Version,
}).annotate({ identifier: "ModelSummary" })

export const ModelHistory = Schema.Struct({
  name: Schema.String,
  versions: Schema.Array(ModelVersion),
  channels: Schema.Array(ChannelPointer),
  /** How production stands against what it served before and against its base, by its evaluations; absent where none has held them against each other. */
  watch: Schema.optionalKey(Schema.Array(Watch)),
}).annotate({ identifier: "ModelHistory" })

export const Bytes = Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array({ contentType: "application/octet-stream" }))
export const uploadErrors = [DigestMismatch, LengthRequired, BodyTooLarge, UnsupportedMedia] as const

const params = modelParams
const digestParams = blobParams

export const ModelsApi = HttpApiGroup.make("models")
  .annotate(OpenApi.Description, "Files by their digest, base models, adapters and their channels.")
  .add(
    HttpApiEndpoint.put("putBlob", "/v1/blobs/:digest", {
      params: digestParams,
      payload: Bytes,
      success: StoredBlob,
      error: uploadErrors,
    })
      .annotate(RequiredScopes, ["train", "runner"])
      .annotateMerge(
        described(
          "Upload a file",
          "By the digest of its bytes, at most 95 MiB, with a Content-Length. The same bytes again change nothing. Larger files go in parts: POST /v1/uploads.",
          { body: ARTEFACT.text, answer: { digest: ARTEFACT.digest, bytes: 7, created: true } },
        ),
      ),
    HttpApiEndpoint.get("getBlob", "/v1/blobs/:digest", {
      params: digestParams,
      success: [Bytes, Bytes.pipe(HttpApiSchema.status(206))],
      error: [NotFound, RangeNotSatisfiable],
    })
      .annotate(RequiredScopes, ["runner", "train", "read"])
      .annotateMerge(
        described(
          "Download a file",
          "By its digest: files of models and adapters, packs, evaluations. Of a `Range: bytes=…` only that (206).",
          {
            answer: ARTEFACT.text,
          },
        ),
      ),
    HttpApiEndpoint.post("create", "/v1/models", {
      headers: idempotencyHeaders,
      payload: NewModel,
      success: ModelVersion.pipe(HttpApiSchema.status(201)),
      error: [ModelIncomplete, Conflict, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["train"])
      .annotateMerge(
        described(
          "Register a base model",
          "Files that were uploaded, by name. With a `source`, a model at a commit of a hub, weights need not be uploaded: their digests are enough. A model that the service cannot use is refused with what is in the way. The same files are the same version.",
          { body: { name: MODEL_NAME, kind: "base", files: BASE_FILES }, answer: MODEL },
        ),
      ),
    HttpApiEndpoint.get("list", "/v1/models", {
      success: Schema.Struct({ items: Schema.Array(ModelSummary) }),
    })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described("List models", "Bases and adapters, each with its newest version.", {
          answer: { items: [{ name: MODEL_NAME, kind: "base", newestVersion: 1 }] },
        }),
      ),
    HttpApiEndpoint.get("get", "/v1/models/:name", { params, success: ModelHistory, error: NotFound })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described(
          "Read a model",
          "Its versions with their files, where its channels point, and what evaluations say of production since: `watch` says `worse` once the evidence stands that its answers lose against those of the version before it, or of its base.",
          {
            answer: { name: MODEL_NAME, versions: [MODEL], channels: [CHANNEL], watch: [WATCH] },
          },
        ),
      ),
    HttpApiEndpoint.post("moveChannel", "/v1/models/:name/channels/:channel", {
      params: {
        ...params,
        channel: Channel.annotate({ description: "Which of its channels.", examples: ["production"] }),
      },
      headers: idempotencyHeaders,
      payload: Schema.Struct({ version: Version }),
      success: ChannelPointer,
      error: [NotFound, Conflict, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(IdempotencyKeyOptional, true)
      .annotate(RequiredScopes, ["promote"])
      .annotateMerge(
        described("Point a channel at a version", "By hand, past the gates.", {
          body: { version: 2 },
          answer: CHANNEL,
        }),
      ),
    HttpApiEndpoint.post("rollback", "/v1/models/:name/rollback", {
      params,
      headers: idempotencyHeaders,
      success: ChannelPointer,
      error: [NotFound, Conflict, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["promote"])
      .annotateMerge(
        described("Give production back", "To the version that production served before.", {
          answer: { ...CHANNEL, version: 1, previousVersion: 2 },
        }),
      ),
  )
  .middleware(Authorization)
