// The options of `npm start`.
import { existsSync } from "node:fs"
import path from "node:path"
import { parseArgs } from "node:util"

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

/** The port that is written. */
export const portOf = (written: string): number => {
  const port = Number(written)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`--port ${written}: a number from 1 to 65535 is needed`)
  return port
}

export const parseOptions = () => {
  const { values } = parseArgs({
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
  for (const file of [values.traffic, values.config, values.model])
    if (!existsSync(file)) throw new Error(`${file} does not exist`)
  return { ...values, port: portOf(values.port), state: path.resolve(values.state) }
}

export type StartOptions = ReturnType<typeof parseOptions>
