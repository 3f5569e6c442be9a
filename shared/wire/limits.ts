// The limits every worker enforces itself, because the local platform does not. Sizes in bytes unless named otherwise.

export const LIMITS = {
  /** A JSON body; parsed JSON costs up to 29 times its text in memory. */
  jsonBodyBytes: 1024 * 1024,
  /** One line of a bulk upload. */
  lineBytes: 256 * 1024,
  /** A whole bulk upload. */
  bulkBodyBytes: 32 * 1024 * 1024,
  /** Nesting of a JSON document, checked before any recursive code sees it. */
  jsonDepth: 32,
  /** Comparisons written in one D1 batch and one payload blob. */
  comparisonsPerBatch: 100,
  /** Text of one such batch. */
  batchBytes: 1024 * 1024,
  /** Lines of a bulk upload: keeps one request below D1's 1 000 queries. */
  bulkLines: 10_000,
  /** Rejected lines that a bulk report lists; it counts them all. */
  reportedLines: 100,
  /** Queue messages in one send. */
  messagesPerSend: 100,
  /** A file of a registered model or an adapter (the platform's own body limit is 100 MB). */
  modelFileBytes: 95 * 1024 * 1024,
} as const

/** Pairs whose prompt's digest falls below this share of the range are held out from training, in every run. */
export const HELD_OUT_SHARE = 0.25
