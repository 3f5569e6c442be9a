// `yohaku sync`: compares a dataset with the labelling tool itself, and mends what differs.
import { Effect } from "effect"
import { OnAway } from "#gpu-runner/client/call-failure.ts"
import { type SyncReport, syncAnnotations } from "#gpu-runner/client/sync-annotations.ts"
import { LabellingTool } from "#shared/domain/WebhookEndpoint.ts"
import { awayNotes } from "../away-notes.ts"
import { defineCommand, UsageError } from "../command.ts"
import { gatewayKey, gatewayUrl, urlOption, withKey } from "../gateway-access.ts"
import { choiceOf, flag, requiredText, text } from "../options.ts"

export const command = defineCommand({
  name: "sync",
  summary: "Finds what a labelling tool's webhook never delivered or never took back, and mends it.",
  details:
    "Reads the annotations of a project of Label Studio, or the responses of a dataset of Argilla, by the tool's API, with the mapping of\n" +
    "the dataset's webhook endpoint. What never arrived is handed in; what was skipped, discarded or deleted there is taken back here.\n" +
    "The keys come from YOHAKU_TOKEN (an API key with the scope `admin`) and YOHAKU_TOOL_TOKEN (the tool's own).",
  options: {
    url: urlOption,
    dataset: requiredText("ID", "the dataset"),
    source: requiredText("NAME", "label-studio or argilla"),
    "tool-url": requiredText("URL", "the labelling tool's address"),
    "tool-project": requiredText("ID", "Label Studio's project, or Argilla's dataset"),
    endpoint: text("ID", "the webhook endpoint, where the dataset has several of the tool"),
    "dry-run": flag("tells what differs and changes nothing"),
    "allow-empty": flag("the tool's project is empty, and everything of it is to be taken back"),
  },
  run: async (values, terminal) => {
    const source = choiceOf("source", values.source, LabellingTool.literals, LabellingTool.literals.join(" or "))
    if (source === undefined) throw new UsageError("--source is missing")
    const isDryRun = values["dry-run"] === true
    const url = gatewayUrl(values.url)
    const comparing = syncAnnotations({
      url,
      token: gatewayKey("YOHAKU_TOKEN", "admin"),
      datasetId: values.dataset,
      source,
      endpointId: values.endpoint,
      tool: {
        url: gatewayUrl(values["tool-url"]),
        token: toolKey(),
        project: values["tool-project"],
      },
      isDryRun,
      allowsEmpty: values["allow-empty"] === true,
    }).pipe(Effect.provideService(OnAway, awayNotes(url, terminal.tell)), Effect.runPromise)
    const report = await withKey("YOHAKU_TOKEN", "admin", comparing)
    terminal.answer(report, () => summary(report, isDryRun))
  },
})

function toolKey(): string {
  const key = process.env.YOHAKU_TOOL_TOKEN
  if (!key) throw new UsageError("YOHAKU_TOOL_TOKEN is not set; put the labelling tool's API key there")
  return key
}

function summary(report: SyncReport, isDryRun: boolean): string {
  const { annotations, missing, takenBack, deleted, unusable, uncounted, problems } = report
  return [
    `${annotations} annotations in the tool: ${missing} had not arrived, ${takenBack} were taken back, ${deleted} were deleted, ${unusable} cannot be used`,
    ...(uncounted > 0 ? [`${uncounted} were handed in and change nothing here`] : []),
    ...problems.map((problem) => `  ${problem}`),
    ...(unusable + uncounted > problems.length ? [`  and ${unusable + uncounted - problems.length} more`] : []),
    ...(isDryRun ? ["Nothing was changed."] : []),
  ].join("\n")
}
