// The judge that needs no endpoint: a model and an adapter on this machine, whose own reward says which answer it prefers. What becomes of its
// verdicts is what becomes of an endpoint's.
import path from "node:path"
import { sha256 } from "#gpu-runner/data/files.ts"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { type JudgedAnswers, judgeRows, rowsToJudge } from "#gpu-runner/trainer/results/reward-judge.ts"
import { readScoringInputs, type ScoringModel } from "#gpu-runner/trainer/results/scorer.ts"
import type { NamedPair } from "#shared/evaluation/judge/answer-file.ts"
import type { AskedRun } from "#shared/evaluation/judge/asked-run.ts"
import { implicitPreference, type RewardRule } from "#shared/evaluation/judge/implicit-reward.ts"
import { judgeLedger } from "#shared/evaluation/judge/judge-ledger.ts"
import { isModelFirst } from "#shared/evaluation/judge/judge-question.ts"
import { unaskedPair } from "#shared/evaluation/judge/judged-pairs.ts"
import { betaOf } from "#shared/methods/options.ts"
import { type Terminal, UsageError } from "../command.ts"
import { describeDropped } from "../dropped-rows.ts"
import { interruptible } from "../interruptible.ts"
import { baseWeightsOf, choiceOf } from "../options.ts"
import { withDevice } from "../with-device.ts"
import { readJoinedAnswers } from "./answers.ts"
import type { LocalValues } from "./local-options.ts"
import { numberOf } from "./suite.ts"
import { refuseUntrusted } from "./trusted-judge.ts"
import { writeAnnotations, writeAskedRun, writeVotes } from "./verdicts.ts"

type AnswerValues = Parameters<typeof readJoinedAnswers>[0]

/** Throws UsageError. */
function ruleOf(values: LocalValues): RewardRule {
  const reduction =
    choiceOf("reward", values.reward, ["sum", "mean"], "sum or mean") ??
    (values["judge-adapter"] === undefined ? "mean" : "sum")
  const { beta } = values
  if (beta === undefined) return { beta: betaOf[reduction].default, reduction }
  return {
    beta: numberOf("beta", beta, (value) => value > 0 && value <= 1000, "a number above 0, at most 1000"),
    reduction,
  }
}

/** The judge's name in a report. */
const nameOf = (values: LocalValues) => path.basename(path.resolve(values["judge-adapter"] ?? values["judge-model"]!))

async function judgeOf(values: LocalValues): Promise<ScoringModel & { readonly digest: string }> {
  const model = await readModelFolder(values["judge-model"]!)
  const adapterDir = values["judge-adapter"]
  const adapted = adapterDir === undefined ? undefined : readAdapterFolder(adapterDir, model)
  const baseWeights = baseWeightsOf(values["base-weights"]) ?? "stored"
  const digest = sha256(await baseFingerprint(model, baseWeights), adapted?.digest ?? "")
  return { model, adapter: adapted?.adapter, baseWeights, digest }
}

function judged(judge: Omit<ScoringModel, "precision">, rows: readonly TokenRow[], { tell }: Pick<Terminal, "tell">) {
  const stopping = () => tell("stopping; the same command begins again")
  return withDevice((gpu) => interruptible(stopping, (signal) => judgeRows(gpu, judge, rows, signal)))
}

/** As an endpoint's verdicts are kept, with nothing asked. */
function writeVerdicts(directory: string, run: AskedRun): string {
  makeFolder(directory)
  writeAskedRun(directory, run)
  return writeAnnotations(directory, run, judgeLedger(run.judge))
}

/** A model's answers beside a baseline's; returns the file of annotations. Errors: UsageError, UnusableJudgements, those of the folders' readers. */
export async function locallyAnnotated(values: LocalValues & AnswerValues, terminal: Terminal): Promise<string> {
  const rule = ruleOf(values)
  const { model, pairs, directory } = readJoinedAnswers(values, terminal.tell)
  const judge = await judgeOf(values)
  const parameters = { beta: rule.beta, reward: rule.reduction, digest: judge.digest }
  const alike = { judge: nameOf(values), protocol: "implicit-reward", parameters, template: [] } as const
  refuseUntrusted(values, alike, terminal)
  const { tokenisation, config } = judge.model
  const differing = pairs.filter((pair) => pair.model !== pair.baseline)
  const rows = rowsToJudge(
    tokenisation,
    config.maxPositions,
    differing.map((pair) => ({ ...pair, prompt: askedOf(pair, tokenisation.chatTemplate !== undefined) })),
  )
  const scored = rows.flatMap((row) => ("unscored" in row ? [] : [row]))
  tellUnscored(rows, terminal)
  const scores = (await judged(judge, scored, terminal)).values()
  const scoresOf = new Map(
    differing.map((pair, index) => [pair, "unscored" in rows[index]! ? undefined : scores.next().value]),
  )
  return writeVerdicts(directory, {
    ...{ ...alike, suite: "alpaca-eval-2", model },
    pairs: await Promise.all(pairs.map((pair, index) => pairOf(pair, index, scoresOf.get(pair), rule))),
  })
}

/** An instruction that nobody says more of is a user's turn, where the judge knows turns. */
function askedOf({ asked, instruction }: NamedPair, knowsTurns: boolean) {
  const prompt = asked ?? (knowsTurns ? [{ role: "user", content: instruction }] : instruction)
  return prompt as string | readonly { readonly role: "user" | "assistant" | "system"; readonly content: string }[]
}

function tellUnscored(rows: ReturnType<typeof rowsToJudge>, { tell }: Pick<Terminal, "tell">): void {
  const reasons = Map.groupBy(
    rows.flatMap((row) => ("unscored" in row ? row.unscored : [])),
    (reason) => reason,
  )
  for (const [reason, of] of reasons) tell(`warning: ${of.length} of ${rows.length} pairs have no verdict: ${reason}`)
}

async function pairOf(pair: NamedPair, index: number, scores: JudgedAnswers | undefined, rule: RewardRule) {
  const { id = index, instruction, baseline, model } = pair
  const asked = await unaskedPair({ id, instruction, baseline, model })
  if (model === baseline) return asked
  if (scores === undefined) return { ...asked, given: { value: null } }
  return { ...asked, given: { value: implicitPreference(scores.model, scores.baseline, rule), scores } }
}

/**
 * Pairs that people compared, as a file of votes; returns it. Which answer is called the first is half chance, and fixed for a pair. The reward knows no
 * places, so both orders say the same. Errors as above.
 */
export async function locallyVoted(values: LocalValues & AnswerValues, terminal: Terminal): Promise<string> {
  const rule = ruleOf(values)
  const { data, out } = values
  if (data === undefined) throw new UsageError("--data is missing: name pairs that people compared")
  if (out === undefined) throw new UsageError("--out is missing: say where the votes are to be kept")
  const inputs = await readScoringInputs(
    {
      modelDir: values["judge-model"]!,
      adapterDir: values["judge-adapter"],
      dataFile: data,
      baseWeights: baseWeightsOf(values["base-weights"]),
    },
    (file, dropped, unread) => terminal.tell(describeDropped(file, dropped, unread)),
  )
  const scores = await judged(inputs, inputs.data.rows, terminal)
  const pairs = await Promise.all(
    inputs.data.rows.map(async ({ id, chosenIds, rejectedIds }, index) => {
      const { model: chosen, baseline: rejected } = scores[index]!
      const isChosenFirst = await isModelFirst(id)
      const share = isChosenFirst
        ? implicitPreference(rejected, chosen, rule)
        : implicitPreference(chosen, rejected, rule)
      const lengths = [chosenIds.length, rejectedIds.length]
      return {
        votes: [isChosenFirst ? 0 : 1],
        judged: [share, share],
        len: isChosenFirst ? lengths : lengths.toReversed(),
      }
    }),
  )
  makeFolder(out)
  const parameters = {
    beta: rule.beta,
    reward: rule.reduction,
    digest: sha256(inputs.fingerprint, inputs.adapterDigest ?? ""),
  }
  return writeVotes(out, { judge: nameOf(values), protocol: "implicit-reward", parameters, template: [] }, pairs)
}
