// Stands between a client and a gateway, hands everything on, and counts the bytes of files in both directions.
import { createServer, request } from "node:http"
import type { AddressInfo } from "node:net"

export interface CountingProxy {
  readonly url: string
  /** Bytes of parts that clients sent, and of blobs that they were sent. */
  readonly counted: { sent: number; received: number }
  /** Called whenever there are more. */
  onBytes: () => void
  readonly close: () => void
}

export const startCountingProxy = async (gatewayPort: number): Promise<CountingProxy> => {
  const counted = { sent: 0, received: 0 }
  const server = createServer((incoming, outgoing) => {
    const { method, url = "/", headers } = incoming
    const isPart = method === "PUT"
    const isBlob = method === "GET" && url.startsWith("/v1/blobs/")
    const onward = request({ port: gatewayPort, host: "127.0.0.1", method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      if (isBlob) answer.on("data", (piece: Uint8Array) => count("received", piece.length))
      answer.pipe(outgoing)
    })
    if (isPart) incoming.on("data", (piece: Uint8Array) => count("sent", piece.length))
    incoming.pipe(onward)
    // A client that is killed takes its request with it.
    outgoing.on("close", () => onward.destroy())
    onward.on("error", () => outgoing.destroy())
  })
  const count = (direction: keyof typeof counted, bytes: number) => {
    counted[direction] += bytes
    proxy.onBytes()
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const proxy: CountingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counted,
    onBytes: () => undefined,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
  return proxy
}
