// The demo's accuracy over several seeds, for the README: α-DPO, SimPO and DPO on the very pack that `npm start` trained on.
// usage: npm start -- --once, then: node infra/demo/seeds.ts [--seeds 1,2,3] [--state DIRECTORY] [--json]
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { parseArgs } from "node:util"
import { Result } from "effect"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import { percent } from "#gpu-runner/trainer/quantities.ts"
import { trainOnPack } from "#gpu-runner/trainer/run/train-on-pack.ts"
import { decodeTrainConfig, type TrainConfig } from "#shared/domain/TrainConfig.ts"
import { newestPack } from "./newest-pack.ts"

const root = path.resolve(import.meta.dirname, "../..")

interface RetrainFile {
  readonly config: Readonly<Record<string, unknown>>
  readonly baselines: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

interface SeedResult {
  readonly method: string
  readonly seed: number
  readonly before: number
  readonly after: number
  readonly klPerToken: number
  readonly seconds: number
}

type Options = Readonly<Record<string, unknown>>

/** The demo's options are the base, as in a run with overrides: a method passes over those that it does not read. */
const configOf = (written: Options, base: Options): TrainConfig => Result.getOrThrow(decodeTrainConfig(written, base))

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1,2,3" },
    state: { type: "string", default: path.join(root, ".yohaku/local") },
    config: { type: "string", default: path.join(root, "infra/demo/retrain.json") },
    json: { type: "boolean", default: false },
  },
})
const pack = newestPack(path.resolve(values.state))
const retrain = JSON.parse(readFileSync(values.config, "utf8")) as RetrainFile
const methods = { "alpha-dpo": {}, ...retrain.baselines }
const gpu = await openDevice()
const results: SeedResult[] = []
for (const [method, overrides] of Object.entries(methods)) {
  for (const seed of values.seeds.split(",").map(Number)) {
    const outDir = mkdtempSync(path.join(tmpdir(), "yohaku-seed-"))
    const report = await trainOnPack({
      gpu,
      modelDir: path.join(root, "infra/demo/model"),
      pack,
      config: configOf({ ...overrides, seed }, retrain.config),
      outDir,
    })
    rmSync(outDir, { recursive: true, force: true })
    const { before, after } = report.heldOut!
    const result = {
      method,
      seed,
      before: before.accuracy,
      after: after.accuracy,
      klPerToken: after.klPerToken ?? 0,
      seconds: report.durationSeconds,
    }
    results.push(result)
    console.error(
      `${method} seed ${seed}: ${percent(result.before)} → ${percent(result.after)}, ${result.seconds.toFixed(0)} s`,
    )
  }
}
gpu.destroy()
if (values.json) console.log(JSON.stringify(results))
