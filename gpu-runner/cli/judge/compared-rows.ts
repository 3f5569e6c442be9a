// What a judge on this machine is. Pairs of answers are rows for the device: those that can be computed are, and the others keep why they are not.

import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { AnswersToJudge } from "#gpu-runner/trainer/results/reward-judge.ts"
import type { Terminal } from "../command.ts"
import { interruptible } from "../interruptible.ts"
import { withDevice } from "../with-device.ts"
import type { JudgedAlike } from "./verdicts.ts"

export type Tell = Pick<Terminal, "tell">

/** How far the model's answer is preferred, from 0 to 1, and from what; or why there is no verdict. */
export type Compared = { readonly value: number; readonly scores: object } | { readonly unscored: string }

export interface LocalJudge {
  readonly alike: JudgedAlike
  /** What it was made for: to judge any answers, or those of its own kind alone. */
  readonly isGeneral: boolean
  /** It has a chat template. */
  readonly knowsTurns: boolean
  /** In the pairs' order. The device is open for that long. */
  readonly compare: (pairs: readonly AnswersToJudge[], terminal: Tell) => Promise<readonly Compared[]>
}

/** In the rows' order; `compute` gets those that are rows. */
export async function comparedRows(
  rows: readonly (TokenRow | { readonly unscored: string })[],
  compute: (rows: readonly TokenRow[]) => Promise<readonly Compared[]>,
): Promise<readonly Compared[]> {
  const scored = rows.flatMap((row) => ("unscored" in row ? [] : [row]))
  const compared = (scored.length === 0 ? [] : await compute(scored)).values()
  return rows.map((row) => ("unscored" in row ? row : compared.next().value!))
}

export function onDevice<A>({ tell }: Tell, compute: (gpu: GpuDevice, signal: AbortSignal) => Promise<A>): Promise<A> {
  const stopping = () => tell("stopping; the same command begins again")
  return withDevice((gpu) => interruptible(stopping, (signal) => compute(gpu, signal)))
}
