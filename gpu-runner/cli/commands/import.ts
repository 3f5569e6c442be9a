// `yohaku import`: sends a file of preferences to a gateway.
import { Effect } from "effect"
import { type ImportReport, importFile } from "#gpu-runner/client/import-file.ts"
import { defineCommand, UsageError } from "../command.ts"
import { gatewayKey, gatewayUrl, urlOption } from "../gateway-access.ts"
import { requiredText, text } from "../options.ts"
import { createProgress } from "../progress.ts"

export const command = defineCommand({
  name: "import",
  summary: "Sends preference rows or comparisons to a dataset of a gateway.",
  details:
    "FILE is JSON Lines, plain or gzip (.gz), in any accepted shape: {id, prompt, chosen, rejected}, TRL, OpenAI, Anthropic HH, UltraFeedback;\n" +
    "or the API's comparisons with --format comparisons. Sent twice, or from where it was cut off, it has one effect.\n" +
    "The key comes from YOHAKU_TOKEN: an API key with the scope `ingest`.",
  options: {
    url: urlOption,
    dataset: requiredText("ID", "the dataset"),
    data: requiredText("FILE", "what to send"),
    format: text("NAME", "rows (default) or comparisons"),
  },
  run: async (values, terminal) => {
    const token = gatewayKey("YOHAKU_TOKEN", "ingest")
    const format = values.format ?? "rows"
    if (format !== "rows" && format !== "comparisons")
      throw new UsageError(`--format ${format}: give rows or comparisons`)
    const progress = createProgress()
    const url = gatewayUrl(values.url)
    let isAway = false
    const report = await Effect.runPromise(
      importFile({
        url,
        token,
        datasetId: values.dataset,
        file: values.data,
        format,
        onProgress: ({ lines }) => {
          isAway = false
          progress.show(`sent ${lines} lines`)
        },
        onUnavailable: (message) => {
          if (!isAway) progress.note(`${url} does not answer (${message}); trying until it does, Ctrl-C stops`)
          isAway = true
        },
      }),
    )
    terminal.answer(report, () => summary(report))
  },
})

function summary({ lines, accepted, duplicates, rejected, problems }: ImportReport): string {
  return [
    `${lines} lines: ${accepted} accepted, ${duplicates} duplicates, ${rejected} rejected`,
    ...problems.map(({ line, problem }) => `  line ${line}: ${problem}`),
    ...(rejected > problems.length ? [`  and ${rejected - problems.length} more`] : []),
  ].join("\n")
}
