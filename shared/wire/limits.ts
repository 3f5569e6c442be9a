// The limits every worker enforces itself, because the local platform does not. Sizes in bytes unless named otherwise.

export const LIMITS = {
  /** A JSON body; parsed JSON costs up to 29 times its text in memory. */
  jsonBodyBytes: 1024 * 1024,
  /** One line of a bulk upload. */
  lineBytes: 256 * 1024,
  /** A whole bulk upload. */
  bulkBodyBytes: 32 * 1024 * 1024,
  /** Bulk uploads that one isolate of 128 MB holds at a time. */
  heldBulkBytes: 64 * 1024 * 1024,
  /** Nesting of a JSON document, checked before any recursive code sees it. */
  jsonDepth: 32,
  /** Comparisons written in one D1 batch and one payload blob. */
  comparisonsPerBatch: 100,
  /** Text of one such batch. */
  batchBytes: 1024 * 1024,
  /** Lines of a bulk upload: keeps one request below D1's 1 000 queries. */
  bulkLines: 10_000,
  /** How often a line of one takes back what was said before in it, or says it again: each ends a batch, as a hundred lines do. */
  bulkTurns: 100,
  /** Parked comparisons that one request puts back on their way. */
  replayedAtOnce: 1000,
  /** Judgements that one request takes back. */
  retractedAtOnce: 1000,
  /** Rejected lines that a bulk report lists; it counts them all. */
  reportedLines: 100,
  /** Queue messages in one send. */
  messagesPerSend: 100,
  /** A file of a registered model or an adapter (the platform's own body limit is 100 MB). */
  modelFileBytes: 95 * 1024 * 1024,
  /** A file that arrives in parts: one request digests it within five minutes, of processor time and of a client's patience. */
  partedFileBytes: 64 * 1024 * 1024 * 1024,
  /** What an isolate reads of weights: the header of one file, and the index of all. */
  weightsHeaderBytes: 16 * 1024 * 1024,
  /** Its parts, and the least that one has but the last: R2 takes 10 000, of at least 5 MiB. */
  parts: 10_000,
  leastPartBytes: 8 * 1024 * 1024,
  /** Missing parts that a refusal names; it counts them all. */
  namedParts: 100,
  /** How long an upload may take, milliseconds: after seven days R2 gives up on it. */
  uploadMs: 6 * 24 * 60 * 60 * 1000,
  /** The last optimiser step that metrics may be of: far beyond any run, and safely counted on from. */
  lastStep: 1_000_000_000,
  /** Pairs that the scorer takes in one call. */
  pairsPerScoring: 64,
  /** Calls to KV, R2 and other services that one event may make: the platform allows so many. */
  callsPerEvent: 10_000,
  /** Pairs whose records a runner hands in with one call: two writes to KV each. */
  pairsPerHandIn: 256,
  /** Bytes of one such call: two responses of the longest pair that a dataset may have. */
  handInBytes: 10 * 1024 * 1024,
  /** Calls to KV or R2 under way at once: the platform opens six connections and queues the rest, which only holds memory. */
  concurrentCalls: 12,
  /** Ids bound to one D1 statement, which takes 100 parameters. */
  idsPerStatement: 90,
  /** Prompts of a suite, and its bytes: an isolate holds it beside what was answered. */
  suitePrompts: 2000,
  suiteBytes: 8 * 1024 * 1024,
  /** Tokens that one model may answer a suite with, at most; and the bytes of that. */
  answeredTokens: 1024 * 1024,
  answersBytes: 12 * 1024 * 1024,
  /** What a job keeps at the gateway while it is done, all its lines and one of them: as much as all answers to a suite. */
  keptCharacters: 48 * 1024 * 1024,
  keptLineCharacters: 256 * 1024,
  /** Questions that one comparison asks of a judge behind an endpoint; and of one answer, characters: an isolate reads them all. */
  askedQuestions: 6000,
  askedAnswerCharacters: 32 * 1024,
  /** What was asked and answered. */
  askedBytes: 16 * 1024 * 1024,
  /** How long a runner may wait for a job in one call, milliseconds. */
  leaseWaitMs: 25_000,
} as const

/** Values in slices of `size`, in order; the last may be shorter. */
export const slices = <A>(values: readonly A[], size: number): A[][] =>
  Array.from({ length: Math.ceil(values.length / size) }, (_, index) => values.slice(index * size, (index + 1) * size))
