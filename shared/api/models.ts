// Blobs named by their digest, and the models made of them.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { StoredName } from "#shared/domain/bounds.ts"
import { ModelName } from "#shared/domain/Dataset.ts"
import { Digest, Files } from "#shared/domain/Files.ts"
import { Channel, ChannelPointer, ModelVersion } from "#shared/domain/Model.ts"
import { Authorization, BodyGuard, Idempotency, IdempotencyKeyOptional, RequiredScopes } from "./middleware.ts"
import { idempotencyHeaders } from "./parameters.ts"
import {
  BodyTooLarge,
  Conflict,
  DigestMismatch,
  LengthRequired,
  ModelIncomplete,
  NotFound,
  UnsupportedMedia,
  UnusableRequest,
} from "./problems.ts"

export const StoredBlob = Schema.Struct({
  digest: Digest,
  bytes: Schema.Int,
  /** False when the same bytes were stored before. */
  created: Schema.Boolean,
})

export const NewModel = Schema.Struct({
  name: ModelName,
  kind: Schema.Literal("base"),
  /** File name -> digest of an uploaded blob. */
  files: Files,
})

export const ModelSummary = Schema.Struct({
  name: Schema.String,
  kind: Schema.Literals(["base", "adapter"]),
  newestVersion: Schema.Int,
})

export const ModelHistory = Schema.Struct({
  name: Schema.String,
  versions: Schema.Array(ModelVersion),
  channels: Schema.Array(ChannelPointer),
})

export const Bytes = Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array({ contentType: "application/octet-stream" }))
export const uploadErrors = [DigestMismatch, LengthRequired, BodyTooLarge, UnsupportedMedia] as const

const params = { name: StoredName }
const digestParams = { digest: Digest }

export const ModelsApi = HttpApiGroup.make("models")
  .add(
    HttpApiEndpoint.put("putBlob", "/v1/blobs/:digest", {
      params: digestParams,
      payload: Bytes,
      success: StoredBlob,
      error: uploadErrors,
    }).annotate(RequiredScopes, ["train", "runner"]),
    HttpApiEndpoint.get("getBlob", "/v1/blobs/:digest", {
      params: digestParams,
      success: Bytes,
      error: NotFound,
    }).annotate(RequiredScopes, ["runner", "train", "read"]),
    HttpApiEndpoint.post("create", "/v1/models", {
      headers: idempotencyHeaders,
      payload: NewModel,
      success: ModelVersion.pipe(HttpApiSchema.status(201)),
      error: [ModelIncomplete, Conflict, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["train"]),
    HttpApiEndpoint.get("list", "/v1/models", {
      success: Schema.Struct({ items: Schema.Array(ModelSummary) }),
    }).annotate(RequiredScopes, ["read"]),
    HttpApiEndpoint.get("get", "/v1/models/:name", { params, success: ModelHistory, error: NotFound }).annotate(
      RequiredScopes,
      ["read"],
    ),
    HttpApiEndpoint.post("moveChannel", "/v1/models/:name/channels/:channel", {
      params: { ...params, channel: Channel },
      headers: idempotencyHeaders,
      payload: Schema.Struct({ version: Schema.Int }),
      success: ChannelPointer,
      error: [NotFound, Conflict, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(IdempotencyKeyOptional, true)
      .annotate(RequiredScopes, ["promote"]),
    HttpApiEndpoint.post("rollback", "/v1/models/:name/rollback", {
      params,
      headers: idempotencyHeaders,
      success: ChannelPointer,
      error: [NotFound, Conflict, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["promote"]),
  )
  .middleware(Authorization)
