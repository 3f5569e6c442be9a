// The options of `npm start`.
import { existsSync } from "node:fs"
import path from "node:path"
import { parseArgs } from "node:util"
import { withNegativeValues } from "#gpu-runner/cli/command.ts"
import { portOf } from "#gpu-runner/cli/options.ts"

export const root = path.resolve(import.meta.dirname, "../..")

export const HELP = `npm start -- [options]
Plays the demo the first time and then serves; later it serves at once.
  --replay          play the demo again: its events are duplicates, and a signed webhook starts the run
  --once            end after the demo's report; if it was played before, print that report and end
  --json            one JSON object a line on stdout (the report, then what happens); progress on stderr
  --port N          port of the gateway (8787)
  --state DIRECTORY where everything is kept (.yohaku/local)
  --traffic FILE    labelling events to play, once each file (infra/demo/data/traffic.jsonl)
  --model DIRECTORY the base model (infra/demo/model)
  --config FILE     training options (infra/demo/retrain.json)
An empty system, without the demo: npx yohaku up`

export const parseOptions = () => {
  const { values } = parseArgs({
    args: withNegativeValues(process.argv.slice(2)),
    options: {
      replay: { type: "boolean", default: false },
      once: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      port: { type: "string", default: "8787" },
      state: { type: "string", default: path.join(root, ".yohaku/local") },
      traffic: { type: "string", default: path.join(root, "infra/demo/data/traffic.jsonl") },
      model: { type: "string", default: path.join(root, "infra/demo/model") },
      config: { type: "string", default: path.join(root, "infra/demo/retrain.json") },
    },
  })
  if (values.state === "") throw new Error("--state is empty; give a directory")
  for (const file of [values.traffic, values.config, values.model])
    if (!existsSync(file)) throw new Error(`${file} does not exist`)
  return { ...values, port: portOf(values.port), state: path.resolve(values.state) }
}

export type StartOptions = ReturnType<typeof parseOptions>
