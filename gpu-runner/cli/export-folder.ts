// Looks at --out of an export before anything is written there: an export replaces an earlier one of its format, and mixes with nothing else.
import { existsSync, readdirSync, rmSync, statSync } from "node:fs"
import path from "node:path"
import { isSameFolder } from "#gpu-runner/data/files.ts"
import { CARD_FILE, readCard } from "#gpu-runner/data/model/card-file.ts"
import { COMPANION_FILES, type ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { UsageError } from "./command.ts"
import { type CardedFormat, exportedFilesOf } from "./export-card.ts"

export interface ExportPlace {
  readonly model: Pick<ModelFolder, "directory">
  /** The adapter's folder. */
  readonly adapterDir: string | undefined
  readonly format: CardedFormat
  readonly out: string
}

/** The files of an earlier export, none where there is none. Throws UsageError where the export would replace or mix with what it did not write. A GGUF adapter may stand beside its own adapter. */
export function checkExportFolder({ model, adapterDir, format, out }: ExportPlace): string[] {
  if (isSameFolder(model.directory, out)) {
    const loss = format === "merged" ? "weights" : "card"
    throw new UsageError(`--out is the model's own folder, whose ${loss} would be overwritten; choose another`)
  }
  if (adapterDir !== undefined && isSameFolder(adapterDir, out)) {
    if (format === "gguf-adapter") return []
    throw new UsageError("--out is the adapter's own folder, where model and adapter would be mixed; choose another")
  }
  if (!statSync(out, { throwIfNoEntry: false })?.isDirectory()) return []
  const names = readdirSync(out)
    .filter((name) => !isLeftOver(name))
    .sort()
  const own = earlierFiles(out, format)
  const foreign = names.find((name) => !own.has(name))
  if (foreign === undefined) return names
  throw new UsageError(
    `--out ${out} holds ${foreign}, which no earlier export of format ${format} wrote there; choose another folder, or empty this one`,
  )
}

/** What an export that was killed left of a file: it has the name under which files are written, and its process is gone. */
function isLeftOver(name: string): boolean {
  const [, writer] = /\.(\d+)\.temporary$/.exec(name) ?? []
  if (writer === undefined) return false
  try {
    process.kill(Number(writer), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH"
  }
}

/** What the card of an earlier export says that it wrote. */
function earlierFiles(out: string, format: CardedFormat): ReadonlySet<string> {
  const card = readCard(out)
  const files = card && exportedFilesOf(card, format)
  return new Set(files && [CARD_FILE, ...files, ...(format === "merged" ? COMPANION_FILES : [])])
}

/** Removes what an export that was killed had written: its room may be needed. */
export function removeLeftOvers(out: string): void {
  if (!existsSync(out)) return
  for (const name of readdirSync(out)) if (isLeftOver(name)) rmSync(path.join(out, name), { force: true })
}

/** Removes what an earlier export left and this one did not replace: shards and templates of another base. */
export function removeStale(earlier: readonly string[], { model, out }: ExportPlace, files: object): void {
  for (const name of earlier) {
    if (name === CARD_FILE || Object.hasOwn(files, name) || existsSync(path.join(model.directory, name))) continue
    rmSync(path.join(out, name), { recursive: true, force: true })
  }
}
