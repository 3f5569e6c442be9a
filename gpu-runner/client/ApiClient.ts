// The gateway's typed client, derived from the API's own description: a route or a schema that changes there changes here,
// or does not compile.
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"

export interface GatewayAddress {
  readonly url: string
  /** An API key with the scopes that the calls need. */
  readonly token: string
}

/** A client of the gateway at `url`. Errors are the API's problems by their tags; needs an HttpClient. */
export const makeApiClient = ({ url, token }: GatewayAddress) =>
  HttpApiClient.make(YohakuApi, {
    baseUrl: url,
    transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token)),
  })
