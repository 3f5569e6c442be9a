// Test support: a port that a local system may take, and take again after it was killed.
import { createServer } from "node:net"

/** A free port below the range that the kernel hands to outgoing connections, so that none takes it between two starts. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.once("error", () => resolve(false))
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}
