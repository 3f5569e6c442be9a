// Writes the demo's preferences as two data files for `yohaku sweep`: pairs.jsonl to train on and held-out.jsonl to judge by.
// Labels are the settings' rule, not the annotators', so that a sweep's label noise is exactly what it says.
// usage: node infra/demo/sweep-data.ts [--out DIRECTORY]
import { createHash } from "node:crypto"
import { writeFileSync } from "node:fs"
import path from "node:path"
import { parseArgs } from "node:util"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { makeComparisons } from "./recipe/comparisons.ts"
import { linesOf } from "./recipe/outputs.ts"
import { PREFERENCES_SEED, tokenCounter } from "./recipe/preferences.ts"
import { SeededRandom } from "./recipe/random.ts"

export interface SweepPair {
  readonly id: string
  readonly prompt: readonly { readonly role: "user"; readonly content: string }[]
  readonly chosen: readonly { readonly role: "assistant"; readonly content: string }[]
  readonly rejected: readonly { readonly role: "assistant"; readonly content: string }[]
}

export interface SweepData {
  readonly pairs: readonly SweepPair[]
  readonly heldOut: readonly SweepPair[]
}

/** Of 256 prompts by the first byte of their SHA-256, so many are held out. */
const HELD_OUT_OF_256 = 96

/** The comparisons of data/traffic.jsonl, made again from their seed; prompts are distinct, so the halves share none. */
export async function sweepData(): Promise<SweepData> {
  const comparisons = makeComparisons(new SeededRandom(PREFERENCES_SEED), await tokenCounter())
  const pairs = comparisons.map(({ id, question, answers, better }): SweepPair => {
    const answer = (side: number) => [{ role: "assistant", content: answers[side]!.text }] as const
    const prompt = [{ role: "user", content: question.prompt }] as const
    return { id, prompt, chosen: answer(better), rejected: answer(1 - better) }
  })
  const isHeldOut = ({ prompt }: SweepPair) =>
    createHash("sha256").update(prompt[0]!.content).digest()[0]! < HELD_OUT_OF_256
  return { pairs: pairs.filter((pair) => !isHeldOut(pair)), heldOut: pairs.filter(isHeldOut) }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: "string", default: ".yohaku/sweep-data" } } })
  const { pairs, heldOut } = await sweepData()
  makeFolder(values.out)
  writeFileSync(path.join(values.out, "pairs.jsonl"), linesOf(pairs))
  writeFileSync(path.join(values.out, "held-out.jsonl"), linesOf(heldOut))
  console.log(`${values.out}: ${pairs.length} pairs, ${heldOut.length} held out`)
}
