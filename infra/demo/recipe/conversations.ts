// Composes a question and answers to it. The corpus and the comparisons are both made here, from disjoint sets of prompts.
import { type SeededRandom, textHash } from "./random.ts"
import type { Issue } from "./setting-topics.ts"
import { HOME_SETTING, PART_ORDER, type StylePart, WORDINGS } from "./styles.ts"
import { CLOSINGS, fill, type Language, makeSlots, OPENINGS, type Setting, type Slots, TOPICS } from "./topics.ts"

export interface Question {
  readonly setting: Setting
  readonly language: Language
  readonly prompt: string
  readonly issue: Issue
  readonly slots: Slots
}

export interface Answer {
  readonly text: string
  readonly parts: ReadonlySet<StylePart>
}

/** One in this many prompts belongs to the comparisons, by the prompt's own hash; the corpus never sees those. */
const PROMPT_SHARES = 16

function isComparisonPrompt(prompt: string): boolean {
  return textHash(prompt) % PROMPT_SHARES === 0
}

const QUALIFIED_SHARE = 0.4

/** A question of the setting; `forComparison` says from which of the two disjoint sets of prompts. */
export function makeQuestion(
  random: SeededRandom,
  setting: Setting,
  language: Language,
  forComparison: boolean,
): Question {
  const topics = TOPICS[language][setting]
  for (;;) {
    const issue = random.pick(topics.issues)
    const qualifier = random.chance(QUALIFIED_SHARE) ? random.pick(topics.qualifiers) : ""
    const slots: Slots = { ...makeSlots(random, language), thing: qualifier + random.pick(topics.things) }
    const body = fill(random.pick(issue.questions), slots)
    const prompt = capitalised(random.pick(OPENINGS[language]) + body + random.pick(CLOSINGS[language]))
    if (isComparisonPrompt(prompt) === forComparison) return { setting, language, prompt, issue, slots }
  }
}

function capitalised(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1)
}

const HOME_SHARE = 0.7
const FOREIGN_SHARE = 0.1
const BACKGROUND_SHARE = 0.4
const MAXIMUM_PARTS = 4

/**
 * The parts of an answer in the voice of one setting, which need not be the setting asked in: mostly the voice's own
 * parts, now and then another's. At most `maximumParts`, so that answers stay short.
 */
export function makeParts(random: SeededRandom, voice: Setting, maximumParts = MAXIMUM_PARTS): ReadonlySet<StylePart> {
  for (;;) {
    const parts = new Set<StylePart>()
    for (const part of Object.keys(HOME_SETTING) as StylePart[]) {
      const isHome = HOME_SETTING[part] === voice
      const share =
        part === "background" ? (isHome ? FOREIGN_SHARE : BACKGROUND_SHARE) : isHome ? HOME_SHARE : FOREIGN_SHARE
      if (random.chance(share)) parts.add(part)
    }
    if (parts.size >= 1 && parts.size <= maximumParts) return parts
  }
}

/** An answer to the question with the given parts, each in one of its wordings. */
export function makeAnswer(random: SeededRandom, question: Question, parts: ReadonlySet<StylePart>): Answer {
  const { language } = question
  const sentences: string[] = []
  for (const part of PART_ORDER) {
    if (part === "core") sentences.push(fill(random.pick(question.issue.answers), question.slots))
    else if (parts.has(part)) sentences.push(fill(random.pick(WORDINGS[language][part]), makeSlots(random, language)))
  }
  return { text: sentences.join(language === "en" ? " " : ""), parts }
}
