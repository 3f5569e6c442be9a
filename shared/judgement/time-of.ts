// When something was said, out of a text. The one rule for files and for the service: a time without a zone is UTC, wherever it is read.

/** Z, or an offset of hours and minutes. */
const ZONE = /(?:[zZ]|[+-]\d{2}:?\d{2})$/

/** The time with its zone. */
export const utc = (time: string): string => (ZONE.test(time) ? time : `${time}Z`)

/** Milliseconds since the Unix epoch; NaN where the text is no time. */
export const timeOf = (time: string): number => Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(time) ? time : utc(time))
