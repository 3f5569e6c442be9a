// The first bytes of a file that lies elsewhere, by a Range request: what a header of gigabytes of weights costs.
import type { Source } from "./transfer.ts"

export interface FileStart {
  readonly bytes: Uint8Array
  /** Of the whole file. */
  readonly fileBytes: number
}

/** At most `bytes` of them; undefined where whole files only are sent. Errors: the source's. */
export async function firstBytes(source: Source, bytes: number, signal?: AbortSignal): Promise<FileStart | undefined> {
  let response: Response
  try {
    response = await source.ask(`bytes=0-${bytes - 1}`, signal)
    const refused = await source.refusal(response)
    if (refused !== undefined) throw refused
    const [, last, fileBytes] = /^bytes 0-(\d+)\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? []
    if (response.status === 206 && Number(last) < bytes)
      return { bytes: new Uint8Array(await response.arrayBuffer()), fileBytes: Number(fileBytes) }
  } catch (cause) {
    signal?.throwIfAborted()
    if ((cause as { readonly _tag?: unknown } | null)?._tag !== undefined) throw cause
    throw source.unreachable(cause)
  }
  await response.body?.cancel()
  return undefined
}
