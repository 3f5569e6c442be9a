// The rung below: what a cheaper judge said of the same answers, in the folder that was its --out. It may be on this machine, at an endpoint, or a ladder itself.
import { statSync } from "node:fs"
import path from "node:path"
import type { AskedPair, AskedRun } from "#shared/evaluation/judge/asked-run.ts"
import type { JudgedPair } from "#shared/evaluation/judge/judged-pairs.ts"
import { type EarlierVerdict, onNextRung, UNDECIDED } from "#shared/evaluation/judge/ladder.ts"
import { PROTOCOLS } from "#shared/evaluation/judge/protocol.ts"
import {
  type AnswerBook,
  gamesOf,
  givenVerdict,
  isContradicted,
  pairValue,
} from "#shared/evaluation/judge/verdict-rows.ts"
import { type OptionValues, UsageError } from "../command.ts"
import { text } from "../options.ts"
import { numberOf } from "./suite.ts"
import { judgesOf, readVerdicts } from "./verdicts.ts"

export const ladderOptions = {
  after: text("DIR", "--out of a cheaper judge of the same answers: only what it leaves undecided is asked"),
  undecided: text(
    "BAND",
    `with --after: a preference so near one half is undecided (${UNDECIDED}); so are orders that disagree`,
  ),
  audit: text("SHARE", "with --after: ask too about this share of what is decided, drawn by chance (0)"),
} as const

export interface Rung {
  readonly folder: string
  readonly run: AskedRun
  readonly book: AnswerBook
  readonly band: number
  readonly audit: number
}

/** Undefined without --after. Throws UsageError, UnusableJudgements, DamagedRecords. */
export function rungBelow(
  suite: string,
  judge: string,
  values: OptionValues<typeof ladderOptions> & {
    readonly "until-decided"?: string | undefined
    readonly out?: string | undefined
  },
): Rung | undefined {
  const { after: folder, undecided = `${UNDECIDED}`, audit = "0" } = values
  if (folder === undefined) {
    const unread = (["undecided", "audit"] as const).find((option) => values[option] !== undefined)
    if (unread !== undefined) throw new UsageError(`--${unread} is read with --after only; leave it away`)
    return undefined
  }
  if (values.out !== undefined && isSameFolder(folder, values.out))
    throw new UsageError(`--after and --out are both ${folder}, whose verdicts would be lost; choose another --out`)
  const band = numberOf("undecided", undecided, (value) => value >= 0 && value < 0.5, "a number from 0, below 0.5")
  const share = numberOf("audit", audit, (value) => value >= 0 && value <= 1, "a share from 0 to 1")
  refuseAudit(suite, share, values["until-decided"])
  const { run, book } = readVerdicts(folder)
  if (run.suite !== suite) {
    throw new UsageError(
      `--after ${folder} was judged under --suite ${run.suite}, not ${suite}; a ladder is of one suite`,
    )
  }
  if (judgesOf(run).includes(judge)) {
    throw new UsageError(
      `--after ${folder} was judged by ${judge} itself; name another judge for what it leaves undecided`,
    )
  }
  return { folder, run, book, band, audit: share }
}

/** Under whatever names, where both are there. */
function isSameFolder(one: string, other: string): boolean {
  const [first, second] = [one, other].map((folder) =>
    statSync(path.resolve(folder), { throwIfNoEntry: false, bigint: true }),
  )
  return first !== undefined && second !== undefined && first.ino === second.ino && first.dev === second.dev
}

function refuseAudit(suite: string, share: number, untilDecided: string | undefined): void {
  if (share === 0) return
  if (untilDecided !== undefined)
    throw new UsageError("--audit is a sample of all that is decided, and --until-decided stops before; give one")
  if (suite !== "alpaca-eval-2")
    throw new UsageError(`--audit is of alpaca-eval-2, whose verdicts are numbers; leave it away under ${suite}`)
}

/** The pairs with what is still to be asked about them. Throws UsageError where the folder is of other answers. */
export function aboveRung(pairs: readonly JudgedPair[], { folder, run, book, band, audit }: Rung): JudgedPair[] {
  const isSame = pairs.length === run.pairs.length && pairs.every(({ digest }, i) => digest === run.pairs[i]!.digest)
  if (!isSame)
    throw new UsageError(`--after ${folder} is of other answers than --outputs and --baseline; judge the same pairs`)
  const earlier = run.pairs.map((pair) => earlierVerdict(pair, run, book))
  return onNextRung(pairs, earlier, { band, audit })
}

function earlierVerdict(pair: AskedPair, run: AskedRun, book: AnswerBook): EarlierVerdict {
  const protocol = PROTOCOLS[run.protocol]
  const given = givenVerdict(pair)
  return {
    judge: given?.judge ?? run.judge,
    value: pairValue(pair, protocol, book) ?? null,
    ...(run.suite.startsWith("arena-hard") && { games: gamesOf(pair, protocol, book) }),
    isContradicted: given === undefined && isContradicted(pair, protocol, book),
  }
}
