// Chat templates render as jinja2 renders them, byte for byte: recorded for wherever there is no Python, and live beside it.
import { readFileSync } from "node:fs"
import path from "node:path"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { EXPRESSION_CASES } from "./expressions.ts"
import { CONVERSATIONS, FAMILIES, FAMILY_CASES } from "./family-constructs.ts"
import { COMMON_VARIABLES, type TemplateCase, templateCase } from "./grammar.ts"
import { jinja2Version, type Outcome, renderByJinja2 } from "./jinja2.ts"
import { compare, tally } from "./outcome.ts"
import { whiteSpaceCase } from "./white-space.ts"

/** Another run of the generator than the recorded one; YOHAKU_JINJA_SEED and YOHAKU_JINJA_CASES try others. */
const LIVE_SEED = Number(process.env.YOHAKU_JINJA_SEED ?? 1)
const LIVE_CASES = Number(process.env.YOHAKU_JINJA_CASES ?? 300)

const RECORDED = { same: 450, error: 139, refused: 8 }
const RECORDED_WHITE_SPACE = { same: 380, error: 220, refused: 0 }
const RECORDED_EXPRESSIONS = { same: 6151, error: 4776, refused: 195 }
const RECORDED_FAMILIES = { same: 192, error: 8, refused: 0 }

const golden = <T>(file: string) =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, "../../../golden/jinja", file), "utf8")) as {
    readonly cases: readonly T[]
  }
const whole = ({ template, variables }: TemplateCase): TemplateCase => ({
  template,
  variables: { ...COMMON_VARIABLES, ...variables },
})

describe("recorded with jinja2", () => {
  const { cases } = golden<TemplateCase & Outcome>("generated.json")

  test(`${cases.length} generated templates: the same text, or refused by both`, () => {
    const { wrong, same, error, refused } = tally(cases.map((each) => compare(whole(each), each)))
    expect(wrong).toEqual([])
    expect({ same, error, refused }).toEqual(RECORDED)
  })

  const spaced = golden<TemplateCase & Outcome>("white-space.json").cases

  test(`${spaced.length} templates of white space, tags and their signs`, () => {
    const { wrong, same, error, refused } = tally(spaced.map((each) => compare(each, each)))
    expect(wrong).toEqual([])
    expect({ same, error, refused }).toEqual(RECORDED_WHITE_SPACE)
  })

  const texts = golden<string | null>("expressions.json").cases

  test(`${texts.length} expressions: every operator, filter, test and method on values of every type`, () => {
    expect(texts.length).toBe(EXPRESSION_CASES.length)
    const outcomes = texts.map((text) => (text === null ? { error: "" } : { text }))
    const { wrong, same, error, refused } = tally(
      EXPRESSION_CASES.map((each, index) => compare(each, outcomes[index]!)),
    )
    expect(wrong).toEqual([])
    expect({ same, error, refused }).toEqual(RECORDED_EXPRESSIONS)
  })

  const families = golden<Outcome>("families.json").cases

  test(`${families.length} conversations of ${Object.keys(FAMILIES).length} families, with tools and thinking`, () => {
    expect(families.length).toBe(FAMILY_CASES.length)
    const { wrong, same, error, refused } = tally(FAMILY_CASES.map((each, index) => compare(each, families[index]!)))
    expect(wrong).toEqual([])
    expect({ same, error, refused }).toEqual(RECORDED_FAMILIES)
  })

  test.each(Object.keys(FAMILIES))("%s renders at least half of its conversations", (family) => {
    const own = FAMILY_CASES.map((each, index) => ({ each, outcome: families[index]! })).filter(
      ({ each }) => each.family === family,
    )
    expect(own.length).toBe(Object.keys(CONVERSATIONS).length * 4)
    expect(own.filter(({ outcome }) => "text" in outcome).length).toBeGreaterThanOrEqual(own.length / 2)
  })
})

const version = jinja2Version()

describe.skipIf(version === undefined)(
  `live beside ${version ?? "jinja2, which python3 lacks here"}`,
  { timeout: 300_000 },
  () => {
    test(`${LIVE_CASES} templates generated anew: the same text, or refused by both, or by us by name`, () => {
      const sampled = { seed: LIVE_SEED, numRuns: LIVE_CASES / 2 }
      const cases = [...fc.sample(templateCase, sampled).map(whole), ...fc.sample(whiteSpaceCase, sampled)]
      const outcomes = renderByJinja2(cases)
      const { wrong, same, error, refused } = tally(cases.map((each, index) => compare(each, outcomes[index]!)))
      console.log(
        `${LIVE_CASES} templates of seed ${LIVE_SEED}: ${same} the same, ${error} refused by both, ${refused} by us`,
      )
      expect(wrong).toEqual([])
      expect(same).toBeGreaterThan(LIVE_CASES / 2)
      expect(refused).toBeLessThan(LIVE_CASES / 20)
    })

    test("the families' texts are what is recorded", () => {
      const outcomes = renderByJinja2(FAMILY_CASES)
      expect(tally(FAMILY_CASES.map((each, index) => compare(each, outcomes[index]!))).wrong).toEqual([])
    })
  },
)
