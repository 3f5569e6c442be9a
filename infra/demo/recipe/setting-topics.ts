// What the lists of topics are made of, in every language.

export interface Issue {
  readonly questions: readonly string[]
  readonly answers: readonly string[]
}

export interface SettingTopics {
  /** what may stand before a thing, with the space that the language wants */
  readonly qualifiers: readonly string[]
  readonly things: readonly string[]
  readonly issues: readonly Issue[]
}
