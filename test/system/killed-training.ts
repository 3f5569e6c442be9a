// A real `yohaku train` process that is killed with signal 9 at seeded moments and started again with --resume, until it ends by itself.
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { setImmediate, setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { seededRandom } from "#test/reference/random-decoder.ts"

const launcher = fileURLToPath(new URL("../../gpu-runner/cli/yohaku.mjs", import.meta.url))

/** So many steps after its target a kill no longer waits for a checkpoint that is being written. */
const PATIENCE_STEPS = 4

export interface Ending {
  /** SHA-256 of the losses in order, exact to the bit, and of the trained weights. */
  readonly losses: string
  readonly weights: string
  /** Steps in metrics.jsonl, in order. */
  readonly steps: readonly number[]
  /** Kills that left a half-written checkpoint behind. */
  readonly halfWritten: number
}

export interface KilledRun {
  /** Arguments of `yohaku train`, --out and --resume excepted. */
  readonly arguments: readonly string[]
  readonly out: string
  readonly weightsFile: string
}

/** Runs to the end without a kill. */
export async function undisturbed(run: KilledRun): Promise<Ending> {
  await finished(start(run, false))
  return ending(run, 0)
}

/**
 * Kills the run `kills` times, spread over its `steps`: every second time within 30 ms after a step, otherwise while a checkpoint is
 * being written. Throws when a process ends by itself before its kill.
 */
export async function killedAndResumed(run: KilledRun, steps: number, kills: number, seed: number): Promise<Ending> {
  const random = seededRandom(seed)
  let halfWritten = 0
  for (let kill = 1; kill <= kills; kill++) {
    const target = Math.floor((kill * steps) / (kills + 1) + random() * 3)
    const child = start(run, kill > 1)
    await until(child, () => lastStep(run.out) >= target)
    const isMissed = () => lastStep(run.out) >= target + PATIENCE_STEPS
    if (kill % 2 === 0) await until(child, () => halfWrittenFiles(run.out).length > 0 || isMissed())
    else await sleep(30 * random())
    child.process.kill("SIGKILL")
    await child.ended
    if (halfWrittenFiles(run.out).length > 0) halfWritten += 1
  }
  await finished(start(run, true))
  return ending(run, halfWritten)
}

function start(run: KilledRun, isResumed: boolean) {
  const argv = [launcher, "train", ...run.arguments, "--out", run.out, ...(isResumed ? ["--resume"] : [])]
  const process_ = spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "pipe"] })
  let told = ""
  process_.stderr.on("data", (bytes: Buffer) => {
    told += bytes.toString()
  })
  const ended = new Promise<number | null>((resolve) => {
    process_.on("exit", (code) => resolve(code))
  })
  return { process: process_, ended, told: () => told }
}

type Child = ReturnType<typeof start>

async function finished(child: Child): Promise<void> {
  const code = await child.ended
  if (code !== 0) throw new Error(`the training process ended with ${code}:\n${child.told()}`)
}

/** Looks as often as the event loop turns: a checkpoint is being written for a few milliseconds only. */
async function until(child: Child, isTrue: () => boolean): Promise<void> {
  while (!isTrue()) {
    if (child.process.exitCode !== null) throw new Error(`the training process ended before its kill:\n${child.told()}`)
    await setImmediate()
  }
}

/** The last whole line's step; 0 without one. */
function lastStep(out: string): number {
  const file = path.join(out, "metrics.jsonl")
  if (!existsSync(file)) return 0
  const whole = readFileSync(file, "utf8").split("\n").slice(0, -1)
  return whole.length === 0 ? 0 : (JSON.parse(whole.at(-1)!) as { step: number }).step
}

function halfWrittenFiles(out: string): string[] {
  const folder = path.join(out, "checkpoints")
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".temporary")) : []
}

function ending(run: KilledRun, halfWritten: number): Ending {
  const lines = readFileSync(path.join(run.out, "metrics.jsonl"), "utf8").trim().split("\n")
  const metrics = lines.map((line) => JSON.parse(line) as { step: number; loss: number })
  const losses = Float64Array.from(metrics, ({ loss }) => loss)
  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")
  return {
    losses: sha256(new Uint8Array(losses.buffer)),
    weights: sha256(readFileSync(path.join(run.out, run.weightsFile))),
    steps: metrics.map(({ step }) => step),
    halfWritten,
  }
}
