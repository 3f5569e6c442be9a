// Records what jinja2 makes of generated templates and of the families' constructs: node test/golden/jinja/record.ts, where
// python3 has jinja2. Writes generated.json,
// white-space.json, expressions.json and families.json beside it.
import { writeFileSync } from "node:fs"
import path from "node:path"
import fc from "fast-check"
import { EXPRESSION_CASES } from "../../shared/tokenisation/jinja/expressions.ts"
import { FAMILY_CASES } from "../../shared/tokenisation/jinja/family-constructs.ts"
import { COMMON_VARIABLES, type TemplateCase, templateCase } from "../../shared/tokenisation/jinja/grammar.ts"
import { whiteSpaceCase } from "../../shared/tokenisation/jinja/white-space.ts"
import { jinja2Version, type Outcome, renderByJinja2 } from "../../shared/tokenisation/jinja/jinja2.ts"

const GENERATED = 600
const SEED = 20261128

/** One line a case, so that a change shows as the lines of its cases. */
function write(file: string, cases: readonly unknown[]): void {
  const lines = cases.map((each) => JSON.stringify(each)).join(",\n")
  writeFileSync(path.join(import.meta.dirname, file), `{"by": ${JSON.stringify(jinja2Version())}, "cases": [\n${lines}\n]}\n`)
}

const generated: readonly TemplateCase[] = fc.sample(templateCase, { seed: SEED, numRuns: GENERATED })
const whole = generated.map(({ template, variables }) => ({ template, variables: { ...COMMON_VARIABLES, ...variables } }))
const outcomes = renderByJinja2(whole)
/** An error's kind only: its text is not compared, and may hold an address. */
const kept = (outcome: Outcome) => ("text" in outcome ? outcome : { error: outcome.error.split(":")[0] })
const recorded = generated.map((each, index) => ({ ...each, ...kept(outcomes[index]!) }))
// What prints a function or a generator holds an address, which is another in each run.
write("generated.json", recorded.filter((each) => !("text" in each && each.text.includes(" at 0x"))))
const spaced = fc.sample(whiteSpaceCase, { seed: SEED, numRuns: GENERATED })
const spacedOutcomes = renderByJinja2(spaced)
write("white-space.json", spaced.map((each, index) => ({ ...each, ...kept(spacedOutcomes[index]!) })))
write("expressions.json", renderByJinja2(EXPRESSION_CASES).map((outcome) => ("text" in outcome ? outcome.text.replace(/ at 0x[0-9a-f]+/, " at 0x…") : null)))
write("families.json", renderByJinja2(FAMILY_CASES).map(kept))
