// Test support: an HTTP server that answers as an empty Label Studio project and as Argilla's list of webhooks do.
import { randomBytes, randomUUID } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface LabellingTools {
  readonly url: string
  /** Addresses that Argilla's webhooks were given, by their id. */
  readonly addresses: Map<string, string>
  readonly close: () => void
}

export const startLabellingTools = async (): Promise<LabellingTools> => {
  const addresses = new Map<string, string>()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const answer = (value: unknown) => response.setHeader("content-type", "application/json").end(JSON.stringify(value))
    const pathname = new URL(request.url!, "http://tools").pathname
    if (request.method === "GET" && pathname === "/api/tasks") return answer({ tasks: [], total: 0 })
    if (!pathname.startsWith("/api/v1/webhooks")) return response.writeHead(404).end()
    const { url } = JSON.parse(Buffer.concat(chunks).toString()) as { readonly url: string }
    const id = request.method === "POST" ? randomUUID() : pathname.split("/").at(-1)!
    addresses.set(id, url)
    return answer({ id, url, secret: `whsec_${randomBytes(32).toString("base64")}` })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    addresses,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
