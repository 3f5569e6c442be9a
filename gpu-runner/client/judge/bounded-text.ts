// A response's text up to a bound: what is longer is not read to its end, however much there is.

/** The text, or its beginning where it is longer than `most` characters. */
export async function boundedText(
  { body }: Response,
  most: number,
): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  if (body === null) return { text: "", isWhole: true }
  const parts: string[] = []
  let length = 0
  // Leaving the loop cancels the stream.
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    parts.push(part)
    length += part.length
    if (length > most) break
  }
  return { text: parts.join("").slice(0, most), isWhole: length <= most }
}
