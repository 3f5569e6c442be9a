// `yohaku judge`: win rates from a judge's verdicts, which are in files, or asked for now.
import { ASKED_PROTOCOL_NAMES } from "#shared/evaluation/judge/protocol.ts"
import {
  CommandFailed,
  defineCommand,
  type OptionSpecs,
  type OptionValues,
  type Terminal,
  UsageError,
} from "../command.ts"
import { answerOptions } from "../judge/answers.ts"
import { askedAnnotations, askingOptions } from "../judge/ask.ts"
import { barOptions } from "../judge/calibration.ts"
import { canaryOptions } from "../judge/canary-options.ts"
import { ladderOptions } from "../judge/ladder.ts"
import { localOptions } from "../judge/local-options.ts"
import { type Recomputed, recomputed } from "../judge/recompute.ts"
import { rejudged } from "../judge/rejudge.ts"
import { numberOf, type Suite } from "../judge/suite.ts"
import { refuseUnknownSuite, withSuiteFile } from "../judge/suite-file.ts"
import { SUITES } from "../judge/suites.ts"
import { trustOptions } from "../judge/trusted-judge.ts"
import { type Decision, decisionText } from "../judge/until-decided.ts"
import { text, texts } from "../options.ts"

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
    "the command, started again, goes on where it was. Exit code 3: some questions have no answer yet.\n" +
    "yohaku judge recompute DIR…: the numbers of folders that were --out, from their records alone. yohaku judge rejudge DIR…: those of\n" +
    "several judges of the same answers, together as a jury. Neither asks anybody. yohaku judge calibrate: --suite calibration;\n" +
    "exit code 1 where the judge is refused.",
  options: {
    annotations: {
      ...texts("FILE", "the verdicts on a model's answers; several files are several models"),
      takesWords: true,
    },
    ...answerOptions,
    ...askingOptions,
    ...localOptions,
    ...trustOptions,
    ...canaryOptions,
    suite: text("NAME", `how they are counted: ${NAMES.join(", ")}; or a FILE.json of your own`),
    bootstrap: text("N", `how often the instructions are drawn again for the intervals (${ROUNDS}); 0: no intervals`),
    seed: text("N", "of the draws (0)"),
    ...suiteOptions,
  },
  run: async (given, terminal) => {
    const values = withSuiteFile(measuredAlone(given))
    const again = countedAgain(values, terminal)
    const name = again?.suite ?? values.suite
    refuseUnknownSuite(name, NAMES)
    if (name === undefined) throw new UsageError("--suite is missing")
    const suite = SUITES[name]!
    refuseUnread(name, suite, values)
    const drawing = {
      rounds: wholeOf("bootstrap", values.bootstrap, ROUNDS, MAX_ROUNDS),
      seed: wholeOf("seed", values.seed, 0, Number.MAX_SAFE_INTEGER),
    }
    const { files, decision, more } = again ?? (await filesOf(values, name, suite, terminal))
    // What was stopped at the evidence is no sample to take a rate from.
    if (decision !== undefined) return terminal.answer(decision, () => decisionText(decision))
    const { models, text: table, warnings, refusal } = suite.report(files, values, drawing)
    for (const warning of warnings) terminal.tell(`warning: ${warning}`)
    const [only] = models.values()
    terminal.answer({ ...(models.size === 1 ? only! : Object.fromEntries(models)), ...more }, table)
    if (refusal !== undefined) throw new CommandFailed(refusal, 1)
  },
})

const askedFor = { ...answerOptions, ...askingOptions, ...localOptions, ...trustOptions, ...canaryOptions }

interface Verdicts {
  readonly files: readonly string[]
  readonly decision?: Decision | undefined
  readonly more?: object | undefined
}

/** `calibrate` as the first word is the suite calibration. Throws UsageError. */
function measuredAlone<A extends { readonly annotations: readonly string[]; readonly suite: string | undefined }>(
  values: A,
): A {
  const [word, ...annotations] = values.annotations
  if (word !== "calibrate") return values
  if (values.suite === undefined || values.suite === "calibration")
    return { ...values, annotations, suite: "calibration" }
  throw new UsageError(
    `judge calibrate measures a judge, and --suite ${values.suite} counts its verdicts; leave one away`,
  )
}

/** `recompute` and `rejudge` as the first word: what was asked before is counted again. Throws UsageError. */
function countedAgain(
  values: OptionValues<typeof askedFor> & {
    readonly annotations: readonly string[]
    readonly suite: string | undefined
  },
  terminal: Terminal,
): Recomputed | undefined {
  const [word, ...folders] = values.annotations
  if (word !== "recompute" && word !== "rejudge") return undefined
  const { out: _, ...others } = askedFor
  refuseBeside(`judge ${word}, which asks nobody`, word === "rejudge" ? others : askedFor, values)
  return word === "recompute" ? recomputed(folders, values.suite, terminal) : rejudged(folders, values.out, terminal)
}

/** The files of verdicts, made first where answers are given. Throws UsageError. */
async function filesOf(
  values: OptionValues<typeof askedFor> & { readonly annotations: readonly string[] },
  name: string,
  { protocols }: Suite,
  terminal: Terminal,
): Promise<Verdicts> {
  const { annotations, outputs, "judge-model": judgeModel } = values
  if (name === "calibration" && givenOf(askedFor, values).length > 0) {
    return { files: [await votesOf(values, annotations, terminal)] }
  }
  if (outputs === undefined) {
    const unread = givenOf(askedFor, values)[0]
    if (unread !== undefined) throw new UsageError(`--${unread} is read with --outputs only; leave it away`)
    if (annotations.length > 0) return { files: annotations }
    throw new UsageError("--annotations is missing: give verdicts, or --outputs to have answers judged now")
  }
  if (annotations.length > 0) throw new UsageError("--annotations and --outputs are two ways to one number; give one")
  if (protocols === undefined)
    throw new UsageError(`--outputs cannot be judged under --suite ${name}; give verdicts by --annotations`)
  if (judgeModel === undefined) {
    refuseBeside("an endpoint's judge", { ...localOptions, data: true }, values)
    const { file, decision } = await askedAnnotations({ name, protocols }, values, terminal)
    return { files: [file], decision }
  }
  if (!protocols.includes("log-probs")) {
    throw new UsageError(`--suite ${name} counts a judge's labels, and --judge-model gives none; take alpaca-eval-2`)
  }
  refuseBeside("--judge-model, which asks nobody", { ...askingOptions, data: true }, values)
  const { locallyAnnotated } = await import("../judge/local-judge.ts")
  return { files: [await locallyAnnotated(values, terminal)] }
}

/** A judge's word on pairs that people compared. Throws UsageError. */
async function votesOf(values: OptionValues<typeof askedFor>, annotations: readonly string[], terminal: Terminal) {
  if (annotations.length > 0) throw new UsageError("--annotations and --data are two ways to one number; give one")
  const { out: _, data: __, ...ofAnswers } = answerOptions
  const others = values["judge-model"] === undefined ? localOptions : askingOptions
  refuseBeside(
    "--suite calibration",
    { ...ofAnswers, ...ladderOptions, ...trustOptions, "until-decided": true, ...others },
    values,
  )
  if (values["judge-model"] !== undefined) {
    const { locallyVoted } = await import("../judge/local-judge.ts")
    return locallyVoted(values, terminal)
  }
  const { file } = await askedAnnotations({ name: "calibration", protocols: ASKED_PROTOCOL_NAMES }, values, terminal)
  return file
}

/** Throws UsageError for an option that would be passed over in silence. */
function refuseBeside(what: string, options: object, values: Readonly<Record<string, unknown>>): void {
  const unread = givenOf(options, values)[0]
  if (unread !== undefined) throw new UsageError(`--${unread} is not read with ${what}; leave it away`)
}

function wholeOf(option: string, written: string | undefined, otherwise: number, most: number): number {
  if (written === undefined) return otherwise
  const isWhole = (value: number) => Number.isSafeInteger(value) && value >= 0 && value <= most
  return numberOf(option, written, isWhole, `a whole number from 0 to ${most}`)
}

/** Names of the options that stand on the command line. */
function givenOf(options: object, values: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(options).filter((option) => values[option] !== undefined && values[option] !== false)
}

/** An option that another suite reads would be passed over in silence. */
function refuseUnread(name: string, { options }: Suite, values: Readonly<Record<string, unknown>>): void {
  const read: object = values.calibration === undefined ? options : { ...options, ...barOptions }
  const unread = givenOf(suiteOptions, values).find((option) => !(option in read))
  if (unread !== undefined) throw new UsageError(`--suite ${name} does not read --${unread}; leave it away`)
}
