// The judge that needs no endpoint: a model on this machine, by whose reward one of two answers is preferred. What becomes of its verdicts is what becomes of
// an endpoint's.
import { JudgeUnusable } from "#gpu-runner/client/judge/judge-endpoint.ts"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { readRewardFolder } from "#gpu-runner/data/model/reward-folder.ts"
import type { AnswersToJudge } from "#gpu-runner/trainer/results/reward-judge.ts"
import type { NamedPair } from "#shared/evaluation/judge/answer-file.ts"
import type { AskedPair, AskedRun } from "#shared/evaluation/judge/asked-run.ts"
import { CANARIES, type Canary, wordsOnCanary } from "#shared/evaluation/judge/canaries.ts"
import { judgeLedger } from "#shared/evaluation/judge/judge-ledger.ts"
import { unaskedPair } from "#shared/evaluation/judge/judged-pairs.ts"
import { UsageError } from "../command.ts"
import { readJoinedAnswers } from "./answers.ts"
import { type CanaryValues, canariesOf } from "./canary-options.ts"
import type { Compared, LocalJudge, Tell } from "./compared-rows.ts"
import { openImplicitJudge } from "./implicit-judge.ts"
import type { LocalValues } from "./local-options.ts"
import { openRewardModelJudge } from "./reward-model-judge.ts"
import type { SuiteValues } from "./suite.ts"
import { refuseUntrusted } from "./trusted-judge.ts"
import { writeAnnotations, writeAskedRun } from "./verdicts.ts"
import { readVotedAnswers, type VotedAnswers } from "./voted-pairs.ts"

type Values = LocalValues & CanaryValues & Parameters<typeof readJoinedAnswers>[0] & SuiteValues
/** Errors: UsageError, those of the folders' readers. */
async function openLocalJudge(values: LocalValues): Promise<LocalJudge> {
  const rewardModel = await readRewardFolder(values["judge-model"]!)
  return rewardModel === undefined ? openImplicitJudge(values) : openRewardModelJudge(values, rewardModel)
}

/** A model's answers beside a baseline's; returns the file of annotations. Errors: UsageError, UnusableJudgements, JudgeUnusable, those of the folders' readers. */
export async function locallyAnnotated(values: Values, terminal: Tell): Promise<string> {
  const { model, pairs, directory } = readJoinedAnswers(values, terminal.tell)
  const judge = await openLocalJudge(values)
  refuseUntrusted(values, judge.alike, terminal)
  const run = { ...judge.alike, suite: "alpaca-eval-2", model }
  return writeVerdicts(directory, { ...run, pairs: await judged(judge, pairs, values, terminal) })
}

/** Pairs that people compared, as a file of votes; returns it. A reward knows no places, so both orders say the same. Errors as above. */
export async function locallyVoted(values: Values, terminal: Tell): Promise<string> {
  const { data, out } = values
  if (data === undefined) throw new UsageError("--data is missing: name pairs that people compared")
  if (out === undefined) throw new UsageError("--out is missing: say where the votes are to be kept")
  const judge = await openLocalJudge(values)
  const pairs = await judged(judge, await readVotedAnswers(data, terminal), values, terminal)
  return writeVerdicts(out, { ...judge.alike, suite: "calibration", model: data, pairs })
}

/** As an endpoint's verdicts are kept, with nothing asked. */
function writeVerdicts(directory: string, run: AskedRun): string {
  makeFolder(directory)
  writeAskedRun(directory, run)
  return writeAnnotations(directory, run, judgeLedger(run.judge))
}

/** The canaries stand before the pairs, so that the model is on the device once. */
async function judged(
  judge: LocalJudge,
  pairs: readonly (NamedPair & Partial<VotedAnswers>)[],
  values: Values,
  terminal: Tell,
): Promise<AskedPair[]> {
  const canaries = canariesOf(values)
  const differing = pairs.filter(({ model, baseline }) => model !== baseline)
  const ofCanaries = canaries.map(({ instruction, good, bad }) => ({ instruction, model: good, baseline: bad }))
  const compared = await judge.compare(
    [...ofCanaries, ...differing].map((pair) => answersOf(pair, judge)),
    terminal,
  )
  canaries.forEach((canary, index) => {
    // What is of one's own domain every judge must know.
    const mustKnow = judge.isGeneral || index >= CANARIES.length
    hearLocally(judge.alike.judge, { ...canary, mustKnow }, compared[index]!, terminal)
  })
  const ofPairs = compared.slice(canaries.length)
  tellUnscored(ofPairs, terminal)
  const verdicts = new Map(differing.map((pair, index) => [pair, ofPairs[index]!]))
  return Promise.all(pairs.map((pair, index) => givenPair(pair, index, verdicts.get(pair))))
}

/** Throws JudgeUnusable where a judge does not know what it must. */
function hearLocally(
  judge: string,
  canary: Canary & { readonly mustKnow: boolean },
  said: Compared,
  { tell }: Tell,
): void {
  if ("unscored" in said || said.value > 0.5) return
  const words = wordsOnCanary(canary, judge)
  if (canary.mustKnow && !canary.isProbe) {
    throw new JudgeUnusable(`${words}; choose another judge, or say --skip-canaries`, { isOfKey: false })
  }
  tell(`warning: ${words}`)
}

/** An instruction of which nothing more is said is a user's turn, where the judge knows turns. */
function answersOf(pair: NamedPair & Partial<VotedAnswers>, { knowsTurns }: LocalJudge): AnswersToJudge {
  const { asked, instruction, baseline, model, texts } = pair
  const prompt = asked ?? (knowsTurns ? [{ role: "user", content: instruction }] : instruction)
  return { prompt: prompt as AnswersToJudge["prompt"], baseline, model, ...texts }
}

function tellUnscored(compared: readonly Compared[], { tell }: Tell): void {
  const unscored = compared.flatMap((each) => ("unscored" in each ? [each.unscored] : []))
  for (const [reason, of] of Map.groupBy(unscored, (each) => each)) {
    tell(`warning: ${of.length} of ${compared.length} pairs have no verdict: ${reason}`)
  }
}

async function givenPair(
  pair: NamedPair & Partial<VotedAnswers>,
  index: number,
  compared: Compared | undefined,
): Promise<AskedPair> {
  const asked = await unaskedPair({ ...pair, id: pair.id ?? index })
  if (compared === undefined) return asked
  return { ...asked, given: "unscored" in compared ? { value: null } : compared }
}
