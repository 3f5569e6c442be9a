// Whether a port can be listened on, found out before anything is started that would only say so in its log.
import { createServer } from "node:net"

export class PortInUse extends Error {
  readonly _tag = "PortInUse"
}

/** Throws `PortInUse`, or that this user may not listen there. */
export const requireFreePort = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", ({ code, message }: NodeJS.ErrnoException) => {
      if (code === "EADDRINUSE")
        reject(new PortInUse(`port ${port} is in use by another program; end that, or choose another with --port N`))
      else if (code === "EACCES")
        reject(new Error(`port ${port} needs more rights than you have; choose one above 1023 with --port N`))
      else reject(new Error(`port ${port} cannot be listened on: ${message}`))
    })
    server.listen(port, "127.0.0.1", () => server.close(() => resolve()))
  })
