// The first bytes of a file that lies elsewhere, by a Range request: what a header of gigabytes of weights costs. Whoever answers is not
// trusted: no more is read than was asked for, and not for long.
import type { FileStart } from "#shared/formats/weights/safetensors-head.ts"
import type { Source } from "./transfer.ts"

const PATIENCE_MS = 30_000

/** The body, which is to have so many bytes; undefined where it has others. */
async function readExactly(response: Response, bytes: number): Promise<Uint8Array | undefined> {
  const read = new Uint8Array(bytes)
  let count = 0
  if (response.body === null) return undefined
  for await (const piece of response.body) {
    if (count + piece.length > bytes) return undefined
    read.set(piece, count)
    count += piece.length
  }
  return count === bytes ? read : undefined
}

/**
 * So many bytes of a file, or all that it has; undefined where something else is sent: whole files only, another range, fewer bytes than the
 * range says. Errors: the source's, also where no answer is whole within half a minute.
 */
export async function firstBytes(
  source: Source,
  bytes: number,
  signal?: AbortSignal,
  patienceMs = PATIENCE_MS,
): Promise<FileStart | undefined> {
  const deadline = AbortSignal.timeout(patienceMs)
  try {
    const response = await source.ask(`bytes=0-${bytes - 1}`, signal ? AbortSignal.any([signal, deadline]) : deadline)
    const refused = await source.refusal(response)
    if (refused !== undefined) throw refused
    const [, last, total] = /^bytes 0-(\d+)\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? []
    const fileBytes = Number(total)
    const wanted = Math.min(bytes, fileBytes)
    if (response.status === 206 && Number(last) === wanted - 1) {
      const start = await readExactly(response, wanted)
      return start && { bytes: start, fileBytes }
    }
    await response.body?.cancel()
    return undefined
  } catch (cause) {
    signal?.throwIfAborted()
    if ((cause as { readonly _tag?: unknown } | null)?._tag !== undefined) throw cause
    throw source.unreachable(cause)
  }
}
