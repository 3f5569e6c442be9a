// Files of any size, in parts: begun by digest and size, gone on with after any interruption, there for others once the whole was verified.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Count, textOf } from "#shared/domain/bounds.ts"
import { Digest } from "#shared/domain/Files.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { described } from "./described.ts"
import { ARTEFACT, UPLOAD_ID } from "./examples.ts"
import { Authorization, BodyGuard, RequiredScopes } from "./middleware.ts"
import { Bytes, StoredBlob } from "./models.ts"
import { leaseHeaders, PartNumber, partParams, uploadParams } from "./parameters.ts"
import {
  BodyTooLarge,
  DigestMismatch,
  LengthRequired,
  NotFound,
  PartUnfit,
  StaleLease,
  UnsupportedMedia,
  UnusableRequest,
  UploadIncomplete,
} from "./problems.ts"

/** Of an upload that a runner sends for a job of its. */
const leaseErrors = [NotFound, StaleLease, UnusableRequest] as const

const Whole = { digest: Digest, bytes: Count }

/** Under way: every part has `partBytes` bytes but the last, which has the rest. */
const OpenUpload = Schema.Struct({
  status: Schema.Literal("open"),
  ...Whole,
  uploadId: textOf(64),
  partBytes: Count,
  partCount: PartNumber,
  /** Numbers of the parts that are there, rising. */
  parts: Schema.Array(PartNumber).check(Schema.isMaxLength(LIMITS.parts)),
}).annotate({ identifier: "OpenUpload" })

const StoredAlready = Schema.Struct({ status: Schema.Literal("stored"), ...Whole }).annotate({
  identifier: "StoredAlready",
})

export const Upload = Schema.Union([OpenUpload, StoredAlready])
export type Upload = typeof Upload.Type
export type OpenUpload = typeof OpenUpload.Type

export const NewUpload = Schema.Struct({
  digest: Digest,
  bytes: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: LIMITS.partedFileBytes })),
}).annotate({ identifier: "NewUpload" })

export const StoredPart = Schema.Struct({ number: PartNumber, bytes: Count }).annotate({ identifier: "StoredPart" })

const UPLOAD = {
  ...{ status: "open", digest: ARTEFACT.digest, bytes: 7, uploadId: UPLOAD_ID },
  ...{ partBytes: LIMITS.leastPartBytes, partCount: 1, parts: [] },
}

export const UploadsApi = HttpApiGroup.make("uploads")
  .annotate(
    OpenApi.Description,
    "Files of any size, in parts that may be sent side by side, again, and after any interruption.",
  )
  .add(
    HttpApiEndpoint.post("begin", "/v1/uploads", {
      headers: leaseHeaders,
      payload: NewUpload,
      success: Upload,
      error: leaseErrors,
    })
      .middleware(BodyGuard)
      .annotateMerge(
        described(
          "Begin an upload, or go on with it",
          "By the SHA-256 of the whole file and its size, at most 64 GiB. The same again is the same upload, with the parts that are there; `stored` where nothing needs to be sent. An upload may take six days.",
          { body: { digest: ARTEFACT.digest, bytes: 7 }, answer: UPLOAD },
        ),
      ),
    HttpApiEndpoint.get("get", "/v1/uploads/:uploadId", {
      params: uploadParams,
      success: OpenUpload,
      error: NotFound,
    }).annotateMerge(described("Ask which parts are there", "Of an upload that is under way.", { answer: UPLOAD })),
    HttpApiEndpoint.put("putPart", "/v1/uploads/:uploadId/parts/:number", {
      params: partParams,
      headers: leaseHeaders,
      payload: Bytes,
      success: StoredPart,
      error: [...leaseErrors, PartUnfit, LengthRequired, BodyTooLarge, UnsupportedMedia],
    }).annotateMerge(
      described(
        "Upload a part",
        "Of `partBytes` bytes, the last of the rest, with a Content-Length. In any order, side by side, and again: the last one counts.",
        { body: ARTEFACT.text, answer: { number: 1, bytes: 7 } },
      ),
    ),
    HttpApiEndpoint.post("complete", "/v1/uploads/:uploadId/complete", {
      params: uploadParams,
      headers: leaseHeaders,
      success: StoredBlob,
      error: [...leaseErrors, UploadIncomplete, DigestMismatch],
    })
      .middleware(BodyGuard)
      .annotateMerge(
        described(
          "Complete an upload",
          "Reads the whole once and compares its digest, which takes a while for large files; the file is there for others only then. Parts of other bytes end the upload: nothing of it is kept. Completed again, for six days, it answers the same.",
          { answer: { digest: ARTEFACT.digest, bytes: 7, created: true } },
        ),
      ),
  )
  .annotateEndpoints(RequiredScopes, ["train", "runner"])
  .middleware(Authorization)
