// Lists in messages: what is long is cut, and how much is left out is said.

/** `a, b and 3 more`. */
export const firstFew = (all: readonly string[], most = 5): string => {
  const more = all.length - most
  return `${all.slice(0, most).join(", ")}${more > 0 ? ` and ${more} more` : ""}`
}
