// How long texts and lists may be that come from outside. Every schema of the API is built with these, so that /openapi.json states them
// and nothing of an unbounded size is ever decoded; sizes of whole bodies are shared/wire/limits.ts'.
import { Schema } from "effect"

/** Lengths are UTF-16 code units of texts, items of lists and entries of objects. */
export const BOUNDS = {
  /** A prompt, a response or a message of one. */
  text: 262_144,
  /** Texts of all pairs of one comparison together: each is tokenised with its prompt, and 240 000 characters may take 7 seconds. */
  pairsText: 2_097_152,
  /** Messages of one prompt or response. */
  messages: 256,
  /** Candidates of one comparison, and of one record of a file: 64 have 2 016 pairs. */
  candidates: 64,
  /** An identifier that somebody else chose: an external id, an annotator, a field of a form. */
  identifier: 512,
  /** Fields of one record of a labelling tool, and what was answered about it (controls, questions, labels, places) together. */
  form: 512,
  /** A label or a name that people read. */
  label: 200,
  /** Entries of free metadata, of a mapping. */
  entries: 64,
  /** Files of one model: those of the largest published ones have some hundred shards. */
  files: 512,
  /** A sentence that says what is going on. */
  sentence: 1000,
} as const

/** A text of at most so many characters. */
export const textOf = (most: number) => Schema.String.check(Schema.isMaxLength(most))

/** A text that is not empty, of at most so many characters. */
export const nameOf = (most: number) => Schema.NonEmptyString.check(Schema.isMaxLength(most))

/** A path parameter that names something stored; what it may look like is the stored thing's own affair. */
export const StoredName = textOf(BOUNDS.identifier)

/** How many. */
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Of a model: the first is 1. */
export const Version = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/** Milliseconds since the Unix epoch, up to the last that a date can be of. */
export const TimeMs = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 8_640_000_000_000_000 }))

/** A share of a whole, as accuracies are. */
export const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
