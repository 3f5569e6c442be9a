// What our renderer makes of a case, beside what jinja2 made of it.
import { Template, TemplateError, UnsupportedConstruct } from "#shared/tokenisation/jinja/template.ts"
import type { TemplateCase } from "./grammar.ts"
import type { Outcome } from "./jinja2.ts"

/** same: the same text; error: both refuse; refused: only we do, by the construct's name; else what is wrong. */
export type Verdict = "same" | "error" | "refused" | { readonly wrong: string }

export function compare({ template, variables }: TemplateCase, theirs: Outcome): Verdict {
  const shown = (ours: string) => ({
    wrong: `${JSON.stringify(template)} with ${JSON.stringify(variables)}: jinja2 ${JSON.stringify(theirs)}, ours ${ours}`,
  })
  try {
    const text = new Template(template).render(variables)
    return "text" in theirs && theirs.text === text ? "same" : shown(JSON.stringify(text))
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    if ("error" in theirs) return "error"
    return error instanceof UnsupportedConstruct ? "refused" : shown(error.message)
  }
}

/** How often each verdict was given, and all that is wrong. */
export function tally(verdicts: readonly Verdict[]): {
  readonly same: number
  readonly error: number
  readonly refused: number
  readonly wrong: readonly string[]
} {
  const count = (verdict: Verdict) => verdicts.filter((each) => each === verdict).length
  const wrong = verdicts.filter((each) => typeof each === "object").map((each) => each.wrong)
  return { same: count("same"), error: count("error"), refused: count("refused"), wrong }
}
