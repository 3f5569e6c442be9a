// The model card of an export: the adapter's own card, if it has one, with what was made from it.
import path from "node:path"
import { isSameFolder, writeFileAtomically } from "#gpu-runner/data/files.ts"
import { baseLineage, CARD_FILE, type Card, cardTable, cardText, readCard } from "#gpu-runner/data/model/card-file.ts"
import type { ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { runtimeVersions } from "#gpu-runner/data/versions.ts"
import { WEIGHTS_INDEX } from "#shared/formats/weights/safetensors-index.ts"

/** What an export's card says of its format. */
const FORMATS = {
  merged: "the adapter folded into the base's weights, in the base's dtype",
  gguf: "GGUF model for llama.cpp, with tokenizer and chat template",
  "gguf-adapter": "GGUF adapter for llama.cpp",
} as const

/** The formats that come with a card. */
export type CardedFormat = keyof typeof FORMATS

export const isCardedFormat = (format: string): format is CardedFormat => Object.hasOwn(FORMATS, format)

const SECTION = /\n## Export\n[\s\S]*?(?=\n## |$)/
/** Weights over several files have an index, which has no digest in the card. */
const FILE_ROW = /^\| (\S+), SHA-256 \|/gm

/** The files that an earlier export named in its card; undefined where the card is of no export of this format. */
export function exportedFilesOf({ body }: Card, format: CardedFormat): string[] | undefined {
  const [section] = SECTION.exec(`\n${body}`) ?? []
  if (!section?.includes(`| format | ${FORMATS[format]} |`)) return undefined
  const files = [...section.matchAll(FILE_ROW)].map(([, name]) => name!)
  return format === "merged" ? [...files, WEIGHTS_INDEX] : files
}

export interface ExportedCard {
  readonly model: ModelFolder
  /** The adapter's folder. */
  readonly adapterDir: string | undefined
  readonly format: CardedFormat
  readonly out: string
  readonly files: Readonly<Record<string, string>>
  /** What the other runtime does otherwise than is done here. */
  readonly differences?: readonly string[] | undefined
  readonly command: string
}

const RELATIONS = { merged: "merge", gguf: "quantized", "gguf-adapter": "adapter" } as const satisfies Record<
  CardedFormat,
  string
>

/** Writes README.md beside exported files. */
export function writeExportedCard({
  model,
  adapterDir,
  format,
  out,
  files,
  differences = [],
  command,
}: ExportedCard): void {
  const source = (adapterDir === undefined ? undefined : readCard(adapterDir)) ?? {
    fields: {},
    body: `# ${format} of ${model.name}`,
  }
  const base = baseLineage(model.directory, model.name)
  // Beside the adapter itself, the card stays the adapter's.
  const isBeside = adapterDir !== undefined && isSameFolder(adapterDir, out)
  const own = {
    base_model_relation: base.repository && RELATIONS[format],
    library_name: format === "merged" ? "transformers" : "gguf",
    pipeline_tag: "text-generation",
    ...base.license,
  }
  const fields = { base_model: base.repository, ...source.fields, ...(isBeside ? {} : own) }
  const table = cardTable(
    ["what", "which"],
    [
      ["format", FORMATS[format]],
      ["base", model.name],
      ["base weights, SHA-256", model.weightsDigest],
      ["yohaku", runtimeVersions().yohaku],
      ["command", `\`${command}\``],
      ...differences.map((difference) => ["in llama.cpp", difference] as const),
      ...Object.entries(files).map(([name, digest]) => [`${name}, SHA-256`, digest] as const),
    ],
  )
  // Neither the files nor the ways of use of the adapter's card are those of the export.
  const replaced = isBeside ? /\n## Export\n[\s\S]*?(?=\n## |$)/g : /\n## (Use|Files|Export)\n[\s\S]*?(?=\n## |$)/g
  const body = source.body.replace(replaced, "")
  writeFileAtomically(path.join(out, CARD_FILE), cardText({ fields, body: `${body.trim()}\n\n## Export\n\n${table}` }))
}
