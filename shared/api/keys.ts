// API keys: made and revoked by an admin key.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ApiKey, ListedApiKey, Scope } from "#shared/domain/ApiKey.ts"
import { BOUNDS, nameOf, TimeMs } from "#shared/domain/bounds.ts"
import { described } from "./described.ts"
import { AT_MS, KEY_ID } from "./examples.ts"
import { Authorization, BodyGuard, Idempotency, RequiredScopes } from "./middleware.ts"
import { idempotencyHeaders, keyParams, Page, pageQuery } from "./parameters.ts"
import { InvalidCursor, NotFound, UnusableRequest } from "./problems.ts"

export const NewApiKey = Schema.Struct({
  label: nameOf(BOUNDS.label),
  scopes: Schema.NonEmptyArray(Scope).check(Schema.isMaxLength(Scope.literals.length)),
  /** In the future. */
  expiresAt: Schema.optionalKey(TimeMs),
}).annotate({ identifier: "NewApiKey" })

/** `key` is shown here and never again. */
export const MadeApiKey = Schema.Struct({ ...ApiKey.fields, key: Schema.String }).annotate({ identifier: "MadeApiKey" })

export const KeysApi = HttpApiGroup.make("keys")
  .annotate(OpenApi.Description, "API keys: made and revoked by an admin.")
  .add(
    HttpApiEndpoint.post("create", "/v1/keys", {
      headers: idempotencyHeaders,
      payload: NewApiKey,
      success: MadeApiKey.pipe(HttpApiSchema.status(201)),
      error: UnusableRequest,
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotateMerge(
        described("Make an API key", "The answer shows `key` once; only a keyed hash of it is stored.", {
          body: { label: "labelling", scopes: ["ingest"] },
          answer: {
            id: KEY_ID,
            label: "labelling",
            scopes: ["ingest"],
            createdAt: AT_MS,
            key: `yhk_production_${KEY_ID}_<secret>`,
          },
        }),
      ),
    HttpApiEndpoint.get("list", "/v1/keys", {
      query: pageQuery,
      success: Page(ListedApiKey),
      error: InvalidCursor,
    }).annotateMerge(
      described(
        "List API keys",
        "In the order in which they were made, without the keys themselves, a page at a time; revoked and expired ones too.",
        { answer: { items: [{ id: KEY_ID, label: "labelling", scopes: ["ingest"], createdAt: AT_MS }] } },
      ),
    ),
    HttpApiEndpoint.delete("revoke", "/v1/keys/:id", {
      params: keyParams,
      success: HttpApiSchema.NoContent,
      error: NotFound,
    }).annotateMerge(described("Revoke an API key", "It is dead at once.")),
  )
  .middleware(Authorization)
  .annotateEndpoints(RequiredScopes, ["admin"])
