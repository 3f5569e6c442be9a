// Why another machine gave no answer, in words. fetch, and the clients above it, wrap the reason in words that say nothing.

const NETWORK_FAULTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection broke off",
  ENOTFOUND: "no such host",
  UND_ERR_HEADERS_TIMEOUT: "no answer for five minutes",
}

interface Caused {
  readonly message?: string
  readonly name?: string
  readonly cause?: unknown
  readonly code?: string
  readonly hostname?: string
  readonly address?: string
  readonly port?: number
  /** Of a host with several addresses, which were tried in turn. */
  readonly errors?: readonly unknown[]
}

/** `connection refused (127.0.0.1:8787)`. */
export const causeInWords = (error: unknown): string => {
  if (error !== undefined && typeof error !== "object") return String(error)
  const caused = (error ?? {}) as Caused
  const inner = caused.cause ?? caused.errors?.[0]
  if (inner !== undefined) return causeInWords(inner)
  const { code = "", hostname, address, port, message, name } = caused
  const fault = NETWORK_FAULTS[code]
  if (fault === undefined) return message || name || "no explanation"
  const at = hostname ?? (address === undefined ? undefined : `${address}:${port}`)
  return at === undefined ? fault : `${fault} (${at})`
}
