// Label Studio's JSON_MIN and CSV exports: one value a control, without what the control is about. Which response "left" is would be a
// guess, so they are refused with the export to choose.
import { InvalidPreferenceRow, type Shape } from "./record.ts"

export const labelStudioMin: Shape = {
  name: "Label Studio JSON_MIN",
  recognises: (fields) => "annotation_id" in fields && ("annotator" in fields || "lead_time" in fields),
  read: () => {
    throw new InvalidPreferenceRow(
      "annotation_id",
      "is of Label Studio's JSON_MIN or CSV export, which does not say what a control is about; export JSON",
    )
  },
}
