// A process that does what a runner does before a job: fetches a model's files into its folder. Prints the folder and its own peak memory.
// Arguments: url, token, directory, files as JSON.
import { Effect } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import { cachedModelFolder } from "#gpu-runner/fleet/blob-cache.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"

const [url, token, directory, files] = process.argv.slice(2) as [string, string, string, string]
const folder = await Effect.runPromise(
  whenReachable(cachedModelFolder({ directory }, JSON.parse(files))).pipe(Effect.provide(layerHttp({ url, token }))),
)
process.stdout.write(JSON.stringify({ folder, peakBytes: process.resourceUsage().maxRSS * 1024 }))
