// Which parts an answer has, told from its text. Their wordings are known, so that what a model says can be held to the very rule that labellers
// follow, without asking anybody. A part in words of a model's own is not seen, and one that is said twice counts once, as in the rule.
import { answerWorth, type StylePart, WORDINGS } from "./styles.ts"
import { SETTINGS } from "./topics.ts"

/** What stands in a placeholder's place is short, and ends before the sentence does. */
const SLOT = "[^.。、,]{1,16}"

const patternOf = (wording: string): RegExp =>
  new RegExp(
    wording
      .split(/\{\w+\}/)
      .map((piece) => piece.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
      .join(SLOT),
    "u",
  )

const PATTERNS: readonly (readonly [StylePart, RegExp])[] = Object.values(WORDINGS).flatMap((ofLanguage) =>
  Object.entries(ofLanguage).flatMap(([part, wordings]) =>
    wordings.map((wording) => [part as StylePart, patternOf(wording)] as const),
  ),
)

/** In either language. */
export const partsIn = (text: string): ReadonlySet<StylePart> =>
  new Set(PATTERNS.flatMap(([part, pattern]) => (pattern.test(text) ? [part] : [])))

/** What a text is worth in a work setting, by the labellers' rule; 0 in one that it says nothing about. */
export const worthIn = (setting: string, text: string): number => {
  const known = SETTINGS.find((each) => each === setting)
  return known === undefined ? 0 : answerWorth(partsIn(text), known)
}
