// The name of a response's log-probs in caches: its ids and where it starts.

/** Bytes whose sha256 names a response's log-probs in the cache: u32-LE of [prompt ids, response ids], then u32-LE of the response start. */
export function responseDigestInput(
  promptIds: ArrayLike<number>,
  responseIds: ArrayLike<number>,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * (promptIds.length + responseIds.length + 1))
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < promptIds.length; index++) view.setUint32(4 * index, promptIds[index]!, true)
  const start = promptIds.length
  for (let index = 0; index < responseIds.length; index++) {
    view.setUint32(4 * (start + index), responseIds[index]!, true)
  }
  view.setUint32(4 * (start + responseIds.length), start, true)
  return bytes
}
