// The HTTP API as one function from request to response. It is built once an isolate and kept by its environment; what
// belongs to one request never enters it.
import { Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { type Bindings, Environment } from "../Environment.ts"
import { Orchestrator } from "../Orchestrator.ts"
import { Relay } from "../outbox/Relay.ts"
import { ComparisonsLayer } from "../routes/comparisons.ts"
import { DatasetsLayer } from "../routes/datasets.ts"
import { DeliveriesLayer } from "../routes/deliveries.ts"
import { EvaluationsLayer } from "../routes/evaluations.ts"
import { KeysLayer } from "../routes/keys.ts"
import { ModelsLayer } from "../routes/models.ts"
import { RunnerLayer } from "../routes/runner.ts"
import { RunsLayer } from "../routes/runs.ts"
import { StatusLayer } from "../routes/status.ts"
import { UploadsLayer } from "../routes/uploads.ts"
import { WebhooksLayer } from "../routes/webhooks.ts"
import { Answers } from "../storage/Answers.ts"
import { ApiKeys } from "../storage/ApiKeys.ts"
import { Blobs } from "../storage/Blobs.ts"
import { Comparisons } from "../storage/Comparisons.ts"
import { Database } from "../storage/Database.ts"
import { Datasets } from "../storage/Datasets.ts"
import { Deliveries } from "../storage/Deliveries.ts"
import { Models } from "../storage/Models.ts"
import { Uploads } from "../storage/Uploads.ts"
import { Vault } from "../storage/Vault.ts"
import { WebhookEndpoints } from "../storage/WebhookEndpoints.ts"
import { AuthorizationLayer } from "./Authorization.ts"
import { BodyGuardLayer } from "./BodyGuard.ts"
import { DefectsLayer, NotFoundLayer, ProblemsLayer } from "./failures.ts"
import { IdempotencyLayer } from "./Idempotency.ts"
import { withPlainHttp } from "./methods.ts"

const storage = Layer.mergeAll(
  Answers.layer,
  ApiKeys.layer,
  Comparisons.layer,
  Datasets.layer,
  Deliveries.layer,
  Models.layer,
  Uploads.layer,
  WebhookEndpoints.layer,
).pipe(Layer.provideMerge(Layer.mergeAll(Blobs.layer, Database.layer, Orchestrator.layer, Relay.layer, Vault.layer)))

const middleware = Layer.mergeAll(AuthorizationLayer, BodyGuardLayer, IdempotencyLayer, ProblemsLayer)

const groups = Layer.mergeAll(
  ComparisonsLayer,
  DatasetsLayer,
  DeliveriesLayer,
  EvaluationsLayer,
  KeysLayer,
  ModelsLayer,
  RunnerLayer,
  RunsLayer,
  StatusLayer,
  UploadsLayer,
  WebhooksLayer,
)

const routes = Layer.mergeAll(
  HttpApiBuilder.layer(YohakuApi, { openapiPath: "/openapi.json" }).pipe(Layer.provide(groups)),
  NotFoundLayer,
).pipe(
  Layer.provideMerge(DefectsLayer),
  Layer.provide(middleware),
  Layer.provideMerge(storage),
  Layer.provide(HttpServer.layerServices),
)

type WebHandler = (request: Request) => Promise<Response>

/** The handler over these bindings. */
export const makeWebHandler = (environment: Bindings & { readonly YOHAKU_PEPPER: string }): WebHandler => {
  const layer = routes.pipe(Layer.provide(Layer.succeed(Environment, environment)))
  const { handler } = HttpRouter.toWebHandler(layer, { disableLogger: true })
  return withPlainHttp((request) => handler(request))
}
