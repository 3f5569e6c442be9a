// What --data names: one file, a folder of shards, or a pattern with * in its last part. Which files that is, in a fixed order.
import { existsSync, readdirSync, statSync } from "node:fs"
import path from "node:path"
import { InvalidDataFile } from "../errors.ts"

/** Suffixes of the formats of data-records.ts. */
const DATA_SUFFIXES: readonly string[] = [
  ...[".jsonl", ".ndjson", ".json", ".csv"].flatMap((suffix) => [suffix, `${suffix}.gz`]),
  ".parquet",
]

const KNOWN = `known are ${DATA_SUFFIXES.join(", ")}`

/**
 * The files of a source, sorted by name: the file itself; the data files directly inside a folder; or those whose names fit the
 * pattern. Errors: InvalidDataFile, also when a folder holds several splits (train, test), which must not be mixed unseen.
 */
export function findDataFiles(source: string): readonly string[] {
  const name = path.basename(source)
  if (name.includes("*")) {
    const files = dataFilesIn(path.dirname(source)).filter((file) => fits(path.basename(file), name))
    if (files.length > 0) return files
    throw new InvalidDataFile(source, 0, `no data file fits this pattern; ${KNOWN}`)
  }
  if (!existsSync(source))
    throw new InvalidDataFile(source, 0, "there is no such file; give a data file or a folder of them")
  if (!statSync(source).isDirectory()) {
    if (!statSync(source).isFile()) throw new InvalidDataFile(source, 0, "is not a file; give a data file")
    return [source]
  }
  const files = dataFilesIn(source)
  if (files.length === 0) throw new InvalidDataFile(source, 0, `the folder holds no data files; ${KNOWN}`)
  const splits = [...new Set(files.map((file) => splitOf(path.basename(file))))]
  if (splits.length > 1) {
    const example = path.join(source, `${splits[0] === "" ? splits[1] : splits[0]}*`)
    throw new InvalidDataFile(
      source,
      0,
      `the folder holds several splits (${splits.map((split) => split || "other files").join(", ")}); name one by a pattern such as ${example}`,
    )
  }
  return files
}

function dataFilesIn(folder: string): string[] {
  if (!existsSync(folder)) throw new InvalidDataFile(folder, 0, "there is no such folder")
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith(".") && isDataFile(entry.name))
    .map(({ name }) => path.join(folder, name))
    .sort()
}

function isDataFile(name: string): boolean {
  return DATA_SUFFIXES.some((suffix) => name.endsWith(suffix))
}

/** The words by which the hub names the splits of its data sets, at the start of a file's name; "" for others. */
function splitOf(name: string): string {
  return /^(?:train|test|validation|valid|val|dev|eval)(?:[_-](?:prefs|sft|gen))?(?=[-_.])/.exec(name)?.[0] ?? ""
}

function fits(name: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
  return new RegExp(`^${parts.join(".*")}$`).test(name)
}
