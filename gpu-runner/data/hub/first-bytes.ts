// The first bytes of a file on a hub, by a Range request: what a header of gigabytes of weights costs.
import { HubUnreachable } from "./errors.ts"
import type { HubFile } from "./hub-client.ts"
import { fileUrl, type HubAccess, refusal } from "./hub-client.ts"

const REFUSALS = [401, 403, 404]

/** Undefined where the hub sends whole files only. Errors: HubRefused, HubUnreachable. */
export async function firstBytes(
  access: HubAccess,
  { repository, commit }: { readonly repository: string; readonly commit: string },
  { path, sizeBytes }: Pick<HubFile, "path" | "sizeBytes">,
  bytes: number,
): Promise<Uint8Array | undefined> {
  const last = Math.min(bytes, sizeBytes) - 1
  const headers = {
    "accept-encoding": "identity",
    range: `bytes=0-${last}`,
    ...(access.token ? { authorization: `Bearer ${access.token}` } : {}),
  }
  try {
    const response = await (access.fetch ?? fetch)(fileUrl(access, repository, commit, path), { headers })
    if (REFUSALS.includes(response.status)) throw refusal(access, repository, commit, response.status)
    const isRange = response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes 0-${last}/`)
    if (isRange) return new Uint8Array(await response.arrayBuffer())
    await response.body?.cancel()
    return undefined
  } catch (cause) {
    if ((cause as { readonly _tag?: unknown })._tag !== undefined) throw cause
    throw new HubUnreachable(`the beginning of ${path} cannot be fetched`, cause)
  }
}
