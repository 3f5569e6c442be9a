// Memory of each process of a local system under a mixed load: node test/bench/memory.ts [--minutes M] [--warm-up M] [--svg FILE] [--json].
// Samples every second, prints a table, and writes a chart. Ends with code 1 where a process still grows after the warm-up: where the whole
// 95 % interval of its trend (medians of windows, Theil and Sen) lies above `GROWTH_LIMIT_MIB_PER_HOUR`, and where an answer was a 5xx other
// than 503.
import { mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { memoryChart } from "./load/memory-chart.ts"
import { MixedLoad } from "./load/mixed-load.ts"
import { type MemorySample, sampleGroup } from "./load/process-memory.ts"
import { root, startSystem, stopOnSignal } from "./load/running-system.ts"
import { type Trend, trendOf, windowMedians } from "./load/trend.ts"
import { countOf, refuse, scriptOptions } from "./script-options.ts"

const given = scriptOptions({
  minutes: { type: "string", default: "40" },
  "warm-up": { type: "string", default: "10" },
  svg: { type: "string", default: path.join(root, ".yohaku/memory.svg") },
  json: { type: "boolean", default: false },
})
const minutes = countOf("minutes", given.minutes)
const warmUpMinutes = countOf("warm-up", given["warm-up"])
if (minutes < warmUpMinutes + 3) refuse(`--minutes ${minutes}: at least three after the warm-up of ${warmUpMinutes}`)
if (process.platform !== "linux") refuse("memory is read from /proc, which Linux alone has")

const SAMPLE_MS = 1000
const WINDOW_MINUTES = 1
const CHART_WINDOW_MINUTES = 1 / 6
/** 1 % of what a machine of 2 GiB has, in an hour. */
const GROWTH_LIMIT_MIB_PER_HOUR = 20

interface Timed extends MemorySample {
  readonly minute: number
}

interface Row {
  readonly role: string
  readonly startMib: number
  readonly medianMib: number
  readonly peakMib: number
  readonly endMib: number
  readonly anonymousMib: number
  readonly mibPerHour: Trend
  readonly grows: boolean
}

const rowOf = (role: string, samples: readonly Timed[]): Row => {
  const warm = samples.filter(({ minute }) => minute >= warmUpMinutes)
  const windows = windowMedians(
    warm.map(({ minute, rssMib }) => ({ x: minute, y: rssMib })),
    WINDOW_MINUTES,
  )
  const { slope, low, high } = trendOf(windows)
  const sorted = warm.map(({ rssMib }) => rssMib).toSorted((a, b) => a - b)
  return {
    ...{ role, startMib: samples[0]!.rssMib, medianMib: sorted[Math.floor(sorted.length / 2)]! },
    peakMib: Math.max(...samples.map(({ rssMib }) => rssMib)),
    ...{ endMib: samples.at(-1)!.rssMib, anonymousMib: samples.at(-1)!.anonymousMib },
    mibPerHour: { slope: slope * 60, low: low * 60, high: high * 60 },
    grows: low * 60 > GROWTH_LIMIT_MIB_PER_HOUR,
  }
}

const tableOf = (rows: readonly Row[]): string => {
  const cells = rows.map(({ role, startMib, medianMib, peakMib, endMib, anonymousMib, mibPerHour }) => {
    const { slope, low, high } = mibPerHour
    const trend = `${slope.toFixed(0)} (${low.toFixed(0)} to ${high.toFixed(0)})`
    return [role, ...[startMib, medianMib, peakMib, endMib, anonymousMib].map((mib) => mib.toFixed(0)), trend]
  })
  const head = [
    "process",
    "start, MiB",
    "median after warm-up",
    "peak",
    "end",
    "of it anonymous",
    "trend, MiB an hour (95 %)",
  ]
  const line = (texts: readonly string[]): string => `| ${texts.join(" | ")} |`
  return [line(head), line(head.map(() => "---")), ...cells.map(line)].join("\n")
}

const system = await startSystem()
stopOnSignal(system)
try {
  const load = new MixedLoad(system)
  const working = load.run()
  const startedAt = performance.now()
  const samples: Timed[] = []
  for (let minute = 0; minute < minutes; await sleep(SAMPLE_MS)) {
    minute = (performance.now() - startedAt) / 60_000
    for (const sample of sampleGroup(system.processGroup, system.port)) samples.push({ minute, ...sample })
  }
  load.stop()
  await working
  const byRole = Map.groupBy(samples, ({ role }) => role)
  const long = [...byRole].filter(([, of]) => of.at(-1)!.minute - of[0]!.minute > minutes - 1)
  const rows = long.map(([role, of]) => rowOf(role, of))
  const series = long.map(([name, of]) => ({
    name,
    points: windowMedians(
      of.map(({ minute: x, rssMib: y }) => ({ x, y })),
      CHART_WINDOW_MINUTES,
    ),
  }))
  mkdirSync(path.dirname(given.svg), { recursive: true })
  writeFileSync(given.svg, memoryChart(`Memory over ${minutes} minutes of mixed load`, series, warmUpMinutes))
  const broken = Object.entries(load.statuses).filter(([status]) => /^5/.test(status) && status !== "503")
  const growing = rows.filter(({ grows }) => grows).map(({ role }) => role)
  if (given.json)
    console.log(JSON.stringify({ minutes, warmUpMinutes, statuses: load.statuses, broken, rows, growing }))
  else {
    console.log(tableOf(rows))
    console.log(`answers: ${JSON.stringify(load.statuses)}; chart: ${given.svg}`)
    for (const role of growing) console.log(`grows: ${role}`)
    for (const [status, count] of broken) console.log(`wrong: ${count} answers were ${status}`)
  }
  process.exitCode = growing.length + broken.length === 0 ? 0 : 1
} finally {
  await system.stop()
}
