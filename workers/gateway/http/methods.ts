// HTTP's own rules about paths and methods, before and after the router: a path must decode, HEAD is GET without its body, and a route
// that is there under other methods is 405 with `Allow`, not 404.

import { YohakuApi } from "#shared/api/Api.ts"
import { InvalidRequest } from "#shared/api/problems.ts"
import { problemResponse } from "./plain-problem.ts"

interface Route {
  readonly method: string
  readonly path: RegExp
}

const patternOf = (path: string): RegExp => new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/:\w+/g, "[^/]+")}$`)

const routes: readonly Route[] = [
  { method: "GET", path: patternOf("/openapi.json") },
  ...Object.values(YohakuApi.groups).flatMap((group) =>
    Object.values(group.endpoints).map(({ method, path }) => ({ method, path: patternOf(path) })),
  ),
]

/** The methods of a path, as the header `Allow` lists them; none where there is no such route. */
export const methodsOf = (pathname: string): readonly string[] => {
  const methods = routes.filter(({ path }) => path.test(pathname)).map(({ method }) => method)
  return [...new Set(methods.includes("GET") ? [...methods, "HEAD"] : methods)].toSorted()
}

const isDecodable = (pathname: string): boolean => {
  try {
    decodeURIComponent(pathname)
    return true
  } catch {
    return false
  }
}

const malformedPath = new InvalidRequest({
  detail: "path: it is not percent-encoded UTF-8; write a percent sign as %25.",
  errors: [{ path: ["path"], message: "not percent-encoded UTF-8" }],
})

/** Answers HEAD as GET without the body, and refuses a path that nobody can read before anything looks at it. */
export const withPlainHttp =
  (handle: (request: Request) => Promise<Response>) =>
  async (request: Request): Promise<Response> => {
    if (!isDecodable(new URL(request.url).pathname)) return problemResponse(malformedPath)
    if (request.method !== "HEAD") return handle(request)
    // Some clients send a body with HEAD; GET cannot have one.
    const response = await handle(new Request(request.url, { method: "GET", headers: request.headers }))
    await response.body?.cancel()
    return new Response(null, { status: response.status, headers: response.headers })
  }
