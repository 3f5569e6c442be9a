// Generated requests, good and hostile, against a system that it starts: node test/bench/requests.ts [--requests N] [--seed S]
// [--concurrency N] [--json]. Every operation of /openapi.json is used as it should be and with each of its parts disturbed. Ends with code
// 1 where an answer is a 5xx other than 503 with Retry-After, is missing after 30 s, is no problem document, or is not described; or where
// something acknowledged is not stored, or something refused is.
import { requestsFailures, sendGeneratedRequests } from "./load/generated-requests.ts"
import { startSystem, stopOnSignal } from "./load/running-system.ts"
import { countOf, scriptOptions } from "./script-options.ts"

const given = scriptOptions({
  requests: { type: "string", default: "40000" },
  seed: { type: "string", default: "1" },
  concurrency: { type: "string", default: "16" },
  json: { type: "boolean", default: false },
})

const options = {
  requests: countOf("requests", given.requests),
  seed: countOf("seed", given.seed),
  concurrency: countOf("concurrency", given.concurrency),
}

const TOLD_EVERY = 500

const system = await startSystem()
stopOnSignal(system)
try {
  const result = await sendGeneratedRequests(system, {
    ...options,
    onProgress: (sent, faults) => {
      if (sent % TOLD_EVERY === 0) console.error(`${sent} of ${options.requests} sent, ${faults} wrong answers`)
    },
    onFault: (fault) => console.error(JSON.stringify(fault)),
  })
  const failures = requestsFailures(result)
  if (given.json) console.log(JSON.stringify({ ...result, failures }))
  else {
    console.log(`${result.requests} requests of seed ${result.seed} in ${result.seconds.toFixed(0)} s`)
    console.log(`statuses: ${JSON.stringify(result.statuses)}`)
    console.log(`latency, ms: ${JSON.stringify(result.latencyMs)}`)
    const { stored, acknowledged, refused } = result.reckoning
    console.log(
      `comparisons: ${stored} stored, ${acknowledged} known to be acknowledged, ${refused} known to be refused`,
    )
    for (const failure of failures) console.log(`wrong: ${failure}`)
  }
  process.exitCode = failures.length === 0 ? 0 : 1
} finally {
  await system.stop()
}
