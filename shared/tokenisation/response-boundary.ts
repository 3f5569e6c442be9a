// Where a prompt's ids stop being the beginning of a whole text's, and how that is told.

/** The first place at which the whole does not go on as the prompt does; -1 where the prompt begins it. */
export function findParting(prompt: readonly number[], whole: readonly number[]): number {
  return prompt.findIndex((id, index) => whole[index] !== id)
}

/** Both sides of a parting, a few tokens around it, as quoted text. */
function around(prompt: readonly number[], whole: readonly number[], decode: (ids: number[]) => string) {
  const at = findParting(prompt, whole)
  const from = Math.max(0, at - 3)
  const shown = (ids: readonly number[]) => JSON.stringify(decode(ids.slice(from, at + 5)))
  return { ends: shown(prompt), goesOn: shown(whole) }
}

/** What differs between a templated prompt and the whole conversation, and the mend. */
export function describeTemplate(
  prompt: readonly number[],
  whole: readonly number[],
  decode: (ids: number[]) => string,
): string {
  const { ends, goesOn } = around(prompt, whole, decode)
  return (
    `the template ends the prompt with ${ends}, where the whole conversation goes on with ${goesOn}; ` +
    "set chatTemplateOptions (for thinking templates enable_thinking), or use a template that writes both alike"
  )
}

/** What differs between a prompt by itself and with its response, and the mend. */
export function describeMerge(
  prompt: readonly number[],
  whole: readonly number[],
  decode: (ids: number[]) => string,
): string {
  const { ends, goesOn } = around(prompt, whole, decode)
  return (
    `the prompt ends with the tokens of ${ends}, where the text with the response goes on with ${goesOn}: a token reaches ` +
    "over the boundary; end the prompt with a word or a line end, and begin the response with the space between"
  )
}
