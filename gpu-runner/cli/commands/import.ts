// `yohaku import`: sends a file of preferences to a gateway.
import { Effect } from "effect"
import { OnAway } from "#gpu-runner/client/call-failure.ts"
import { type ImportReport, importFile } from "#gpu-runner/client/import-file.ts"
import { awayNotes } from "../away-notes.ts"
import { CommandFailed, defineCommand, UsageError } from "../command.ts"
import { gatewayKey, gatewayUrl, urlOption, withKey } from "../gateway-access.ts"
import { flag, requiredText, text } from "../options.ts"
import { createProgress } from "../progress.ts"
import { readingOf, readingOptions } from "../reading-options.ts"

/** Of the name of a record, as the service stores it, a part. */
const MOST_ORIGIN = 100

export const command = defineCommand({
  name: "import",
  summary: "Sends preference rows or comparisons to a dataset of a gateway.",
  details:
    "FILE is what `yohaku train` takes: JSON Lines, a JSON array, CSV (each also .gz) or Parquet, a folder or a pattern, in any accepted\n" +
    "shape (docs/data.md); what each row states is sent as one comparison. With --format comparisons its rows are the API's comparisons. Sent twice, or\n" +
    "from where it was cut off, it has one effect. The key comes from YOHAKU_TOKEN: an API key with the scope `ingest`.\n\n" +
    "Exit code 1: nothing was accepted, nor there before. 3: something was refused, and --allow-refused was not given.",
  options: {
    url: urlOption,
    dataset: requiredText("ID", "the dataset"),
    data: requiredText("FILE", "what to send"),
    format: text("NAME", "rows (default) or comparisons"),
    origin: text(
      "NAME",
      "where the records come from, in which their ids are names: two servers of one tool, two files",
    ),
    ...readingOptions,
    "allow-refused": flag("exit with 0 although rows were refused, as long as some were accepted"),
  },
  run: async (values, terminal) => {
    const token = gatewayKey("YOHAKU_TOKEN", "ingest")
    const format = values.format ?? "rows"
    if (format !== "rows" && format !== "comparisons")
      throw new UsageError(`--format ${format}: give rows or comparisons`)
    const { origin } = values
    if (origin !== undefined && format === "comparisons")
      throw new UsageError("--origin is for rows; comparisons have the externalId that they are to have")
    if (origin !== undefined && origin.length > MOST_ORIGIN)
      throw new UsageError(`--origin is longer than ${MOST_ORIGIN} characters; shorten it`)
    const progress = createProgress()
    const url = gatewayUrl(values.url)
    const sending = importFile({
      url,
      token,
      datasetId: values.dataset,
      file: values.data,
      format,
      reading: { ...readingOf(values), origin },
      onProgress: ({ lines }) => progress.show(`sent ${lines} lines`),
    }).pipe(Effect.provideService(OnAway, awayNotes(url, progress.note)), Effect.runPromise)
    const report = await withKey("YOHAKU_TOKEN", "ingest", sending)
    terminal.answer(report, () => summary(report))
    const { accepted, duplicates, retracted, rejected } = report
    if (accepted + duplicates + retracted === 0) {
      throw new CommandFailed("nothing was accepted; `yohaku data check` shows what the file states", 1)
    }
    if (rejected === 0 || values["allow-refused"]) return
    throw new CommandFailed(
      `${rejected} ${rejected === 1 ? "row was" : "rows were"} refused; mend them, or give --allow-refused`,
      3,
    )
  },
})

function summary({
  lines,
  accepted,
  duplicates,
  superseded,
  retracted,
  rejected,
  problems,
  dropped,
  ignoredColumns,
}: ImportReport): string {
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`)
  const isOneFile = new Set(problems.map(({ file }) => file)).size < 2
  return [
    `${lines} lines: ${accepted} accepted, ${duplicates} duplicates, ${rejected} rejected`,
    ...(superseded > 0
      ? [
          `  ${superseded} replaced by a later judgement under the same id; of another source with ids of its own, give --origin NAME`,
        ]
      : []),
    ...(retracted > 0 ? [`  ${retracted} taken back: their records state nothing any more`] : []),
    ...problems.map(({ file, line, problem }) => `  ${isOneFile ? "line " : `${file}:`}${line}: ${problem}`),
    ...(rejected > problems.length ? [`  and ${rejected - problems.length} more`] : []),
    ...(reasons.length > 0 ? [`  without a preference: ${reasons.join(", ")}`] : []),
    ...(ignoredColumns.length > 0 ? [`  fields that nobody reads, left alone: ${ignoredColumns.join(", ")}`] : []),
  ].join("\n")
}
