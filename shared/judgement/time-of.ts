// When something was said, out of a text. The one rule for files and for the service: a time without a zone is UTC, wherever it is read.

/** Z, or an offset of hours and minutes. */
const ZONE = /(?:[zZ]|[+-]\d{2}:?\d{2})$/

/** A space between date and time, as Python and SQL print them. */
const SPACED = /^(\d{4}-\d{2}-\d{2}) (?=\d)/

/** The time with its zone, as ISO 8601 writes it. */
export const utc = (time: string): string => {
  const iso = time.replace(SPACED, "$1T")
  return ZONE.test(iso) ? iso : `${iso}Z`
}

/** Milliseconds since the Unix epoch; NaN where the text is no time. */
export const timeOf = (time: string): number => Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(time) ? time : utc(time))
