// `yohaku judge`: win rates from a judge's verdicts, which are in files, or asked for now.
import { defineCommand, type OptionSpecs, type OptionValues, type Terminal, UsageError } from "../command.ts"
import { askedAnnotations, askingOptions } from "../judge/ask.ts"
import { numberOf, type Suite } from "../judge/suite.ts"
import { SUITES } from "../judge/suites.ts"
import { type Decision, decisionText } from "../judge/until-decided.ts"
import { choiceOf, requiredText, text, texts } from "../options.ts"

const NAMES = Object.keys(SUITES)
const ROUNDS = 1000
const MAX_ROUNDS = 100_000

const suiteOptions: OptionSpecs = Object.assign({}, ...Object.values(SUITES).map(({ options }) => options))

export const command = defineCommand({
  name: "judge",
  summary: "Prints a model's win rates from a judge's verdicts, or has a judge asked for them.",
  details:
    'A file is {"model", "rows": [{"i", "pref", "len1", "len2"}]} or the annotations.json of alpaca_eval; for Arena-Hard {"model", "rows":\n' +
    '[{"q", "g", "s"}]} or the judgements of arena-hard-auto. docs/evaluation.md says more.\n' +
    "With several files, --json prints an object by model. With --outputs the verdicts are asked for: every answer is kept in --out, and\n" +
    "the command, started again, goes on where it was. Exit code 3: some questions have no answer yet.",
  options: {
    annotations: {
      ...texts("FILE", "the verdicts on a model's answers; several files are several models"),
      takesWords: true,
    },
    ...askingOptions,
    suite: requiredText("NAME", `how they are counted: ${NAMES.join(", ")}`),
    bootstrap: text("N", `how often the instructions are drawn again for the intervals (${ROUNDS}); 0: no intervals`),
    seed: text("N", "of the draws (0)"),
    ...suiteOptions,
  },
  run: async (values, terminal) => {
    const name = choiceOf("suite", values.suite, NAMES, NAMES.join(", "))!
    const suite = SUITES[name]!
    refuseUnread(name, suite, values)
    const drawing = {
      rounds: wholeOf("bootstrap", values.bootstrap, ROUNDS, MAX_ROUNDS),
      seed: wholeOf("seed", values.seed, 0, Number.MAX_SAFE_INTEGER),
    }
    const { files, decision } = await filesOf(values, name, suite, terminal)
    // What was stopped at the evidence is no sample to take a rate from.
    if (decision !== undefined) return terminal.answer(decision, () => decisionText(decision))
    const { models, text: table, warnings } = suite.report(files, values, drawing)
    for (const warning of warnings) terminal.tell(`warning: ${warning}`)
    const [only] = models.values()
    terminal.answer(models.size === 1 ? only! : Object.fromEntries(models), table)
  },
})

/** The files of verdicts, made first where answers are given. Throws UsageError. */
async function filesOf(
  values: OptionValues<typeof askingOptions> & { readonly annotations: readonly string[] },
  name: string,
  { canAsk }: Suite,
  terminal: Terminal,
): Promise<{ readonly files: readonly string[]; readonly decision?: Decision | undefined }> {
  const { annotations, outputs } = values
  if (outputs === undefined) {
    const unread = givenOf(askingOptions, values)[0]
    if (unread !== undefined) throw new UsageError(`--${unread} is read with --outputs only; leave it away`)
    if (annotations.length > 0) return { files: annotations }
    throw new UsageError("--annotations is missing: give verdicts, or --outputs to have answers judged now")
  }
  if (annotations.length > 0) throw new UsageError("--annotations and --outputs are two ways to one number; give one")
  if (!canAsk)
    throw new UsageError(`--outputs cannot be judged under --suite ${name} yet; give verdicts by --annotations`)
  const { file, decision } = await askedAnnotations(values, terminal)
  return { files: [file], decision }
}

function wholeOf(option: string, written: string | undefined, otherwise: number, most: number): number {
  if (written === undefined) return otherwise
  const isWhole = (value: number) => Number.isSafeInteger(value) && value >= 0 && value <= most
  return numberOf(option, written, isWhole, `a whole number from 0 to ${most}`)
}

/** Names of the options that stand on the command line. */
function givenOf(options: OptionSpecs, values: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(options).filter((option) => values[option] !== undefined && values[option] !== false)
}

/** An option that another suite reads would be passed over in silence. */
function refuseUnread(name: string, { options }: Suite, values: Readonly<Record<string, unknown>>): void {
  const unread = givenOf(suiteOptions, values).find((option) => !(option in options))
  if (unread !== undefined) throw new UsageError(`--suite ${name} does not read --${unread}; leave it away`)
}
