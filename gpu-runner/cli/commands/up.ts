// `yohaku up`: an empty system on this machine, with one runner, until it is stopped. The same workers and runner as `npm start`.
import path from "node:path"
import { fileURLToPath } from "node:url"
import { tellNews } from "#infra/local/news.ts"
import { untilStopped } from "#infra/local/signals.ts"
import { LocalSystem } from "#infra/local/system.ts"
import { defineCommand } from "../command.ts"
import { flag, portOf, text } from "../options.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))

export const command = defineCommand({
  name: "up",
  summary: "Serves an empty system on this machine: gateway, scorer, orchestrator and one runner, until it is stopped.",
  details:
    "Everything is kept in the state directory; start it again with the same one and it goes on. What dies is started again. Pairs that\n" +
    "arrive and what becomes of runs are told, a line each; with --json stdout has one JSON object a line, the first with `url` and\n" +
    "`secretsFile`, where the admin key is. Ctrl-C or SIGTERM ends it with exit code 0. `npm start` is the same with a demo in it.",
  options: {
    port: text("N", "the gateway's port (8787)"),
    state: text("DIR", "where everything is kept (.yohaku/up)"),
    "no-runner": flag("without a runner: labels are taken and scored, nothing is trained"),
  },
  run: async (values, terminal) => {
    const port = portOf(values.port ?? "8787")
    const stateDirectory = path.resolve(values.state ?? ".yohaku/up")
    const stopped = untilStopped(() => terminal.tell("stopping; the next start with this state goes on from here"))
    const system = new LocalSystem({ root, stateDirectory, port, say: terminal.tell })
    const telling = new AbortController()
    const work = async (): Promise<void> => {
      const { runnerKey, operatorKey } = await system.start()
      if (!values["no-runner"]) await system.startRunner(runnerKey)
      const { url, secretsFile } = system
      terminal.answer({ url, secretsFile, stateDirectory }, () => whereToGo(url, secretsFile))
      const tell = ({ text, ...news }: { text: string }) => terminal.answer({ ...news, text }, () => text)
      void tellNews({ url, operatorKey }, tell, telling.signal)
      await system.serve(stopped)
    }
    try {
      await Promise.race([work(), stopped])
    } finally {
      telling.abort()
      await system.stop()
    }
  },
})

/** The address, the key, and the calls that come next, as a shell takes them. */
function whereToGo(url: string, secretsFile: string): string {
  const post = (route: string, key: string) =>
    `curl -sS -X POST -H "authorization: Bearer $YOHAKU_TOKEN" -H "content-type: application/json" -H "idempotency-key: ${key}" ${url}${route}`
  return `serving at ${url}; Ctrl-C ends it. The admin key is in ${secretsFile}, readable by you only:

  export YOHAKU_TOKEN=$(sed -n 's/^YOHAKU_ADMIN_KEY=//p' '${secretsFile}')

Next: a base model (this one is the demo's, in the repository; --from-hub takes one of a hub), a dataset, labels (docs/api.md has the rest)

  npx yohaku model push --url ${url} --name my-base --model infra/demo/model
  ${post("/v1/datasets", "dataset-1")} -d '{"id":"support","referenceModel":{"name":"my-base"},"retrainThreshold":500}'
  npx yohaku import --url ${url} --dataset support --data pairs.jsonl
`
}
