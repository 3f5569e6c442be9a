// The whole HTTP API. The gateway implements it; the OpenAPI document and the typed client are derived from it.
import { Context } from "effect"
import { HttpApi, OpenApi } from "effect/http-api"
import { ComparisonsApi } from "./comparisons.ts"
import { DatasetsApi } from "./datasets.ts"
import { completedDocument, SERVERS } from "./document.ts"
import { EvaluationsApi } from "./evaluations.ts"
import { KeysApi } from "./keys.ts"
import { Problems } from "./middleware.ts"
import { ModelsApi } from "./models.ts"
import { RunnerJobsApi } from "./runner.ts"
import { RunsApi } from "./runs.ts"
import { StatusApi } from "./status.ts"
import { UploadsApi } from "./uploads.ts"
import { DeliveriesApi, WebhooksApi } from "./webhooks.ts"

/** What is sent in must be known: a field that the API does not describe is an error, not something to drop. */
const strict = { onExcessProperty: "error", errors: "all" } as const

const groups = HttpApi.make("yohaku")
  .add(DatasetsApi)
  .add(ComparisonsApi)
  .add(WebhooksApi)
  .add(DeliveriesApi)
  .add(RunsApi)
  .add(UploadsApi)
  .add(ModelsApi)
  .add(EvaluationsApi)
  .add(RunnerJobsApi)
  .add(KeysApi)
  .add(StatusApi)
  .middleware(Problems)

export class YohakuApi extends groups.annotateMerge(
  Context.mergeAll(
    Context.make(HttpApi.PayloadParseOptions, strict),
    Context.make(HttpApi.QueryParseOptions, strict),
    OpenApi.annotations({
      title: "Yohaku",
      version: "1",
      description:
        "Preferences in, adapters out. Errors are RFC 9457 problems; lists page by cursor; 202 means durable. Times are milliseconds since the Unix epoch, digests lower-case SHA-256 in hex.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
      servers: SERVERS,
      transform: (document) => completedDocument(groups, document),
    }),
  ),
) {}
