// The options of `npm start`.
import { existsSync } from "node:fs"
import path from "node:path"
import { parseArgs } from "node:util"
import { firstSentence, shellLine, UsageError, withNegativeValues } from "#gpu-runner/cli/command.ts"
import { portOf } from "#gpu-runner/cli/options.ts"

export const root = path.resolve(import.meta.dirname, "../..")

export const HELP = `npm start -- [options]
Plays the demo the first time and then serves; later it serves within seconds.
  --replay          play the demo again: its events are duplicates, and a signed webhook starts the run
  --once            end after the demo's report; if it was played before, print that report and end
  --json            one JSON object a line on stdout (the report, then what happens); progress on stderr
  --port N          port of the gateway (8787)
  --state DIRECTORY where everything is kept (.yohaku/local)
  --traffic FILE    labelling events to play, once each file (infra/demo/data/traffic.jsonl)
  --model DIRECTORY the base model (infra/demo/model)
  --config FILE     training options (infra/demo/retrain.json)
  --suite FILE      prompts that base and adapters answer (infra/demo/suite/work-settings.jsonl)
An empty system, without the demo: npx yohaku up`

const OPTIONS = {
  replay: { type: "boolean", default: false },
  once: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
  port: { type: "string", default: "8787" },
  state: { type: "string", default: path.join(root, ".yohaku/local") },
  traffic: { type: "string", default: path.join(root, "infra/demo/data/traffic.jsonl") },
  model: { type: "string", default: path.join(root, "infra/demo/model") },
  config: { type: "string", default: path.join(root, "infra/demo/retrain.json") },
  suite: { type: "string", default: path.join(root, "infra/demo/suite/work-settings.jsonl") },
} as const

/** npm's own option too, which may stand in its configuration for good. */
const NPM_KNOWS = "json"

/**
 * `npm start --port 8911`, without the `--`: npm keeps the option for itself, as npm_config_port, and passes the value on at most. Throws
 * UsageError with the command as it was meant, so that nothing is started without what was asked for.
 */
const refuseWhatNpmKept = (words: readonly string[], env: NodeJS.ProcessEnv): void => {
  const values = words.filter((word) => !word.startsWith("-"))
  const kept = Object.entries(OPTIONS).flatMap(([name, { type }]) => {
    const value = env[`npm_config_${name}`]
    if (value === undefined || name === NPM_KNOWS) return []
    if (type === "boolean") return [`--${name}`]
    const given = value === "true" ? values.shift() : value
    return [`--${name}`, given === undefined ? "…" : shellLine([given])]
  })
  if (kept.length === 0) return
  throw new UsageError(`npm keeps options for itself that do not follow a --: write npm start -- ${kept.join(" ")}`)
}

const parsed = (words: readonly string[]) => {
  try {
    return parseArgs({ args: withNegativeValues(words), options: OPTIONS }).values
  } catch (error) {
    throw new UsageError(firstSentence(error))
  }
}

/** Throws UsageError, or Error for a file that is not there. */
export const parseOptions = (
  words: readonly string[] = process.argv.slice(2),
  env: NodeJS.ProcessEnv = process.env,
) => {
  if (env.npm_lifecycle_event === "start") refuseWhatNpmKept(words, env)
  const values = parsed(words)
  if (values.state === "") throw new UsageError("--state is empty; give a directory")
  for (const file of [values.traffic, values.config, values.model, values.suite])
    if (!existsSync(file)) throw new Error(`${file} does not exist`)
  return { ...values, port: portOf(values.port), state: path.resolve(values.state) }
}

export type StartOptions = ReturnType<typeof parseOptions>
