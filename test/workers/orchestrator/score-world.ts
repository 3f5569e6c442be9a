// Datasets whose reference runners compute.
import { bindings, DATASET } from "./world.ts"

export const placeAt = (place: "edge" | "runner", precision = "stored", id = DATASET) =>
  bindings.DB.prepare("UPDATE datasets SET reference_place = ?, reference_precision = ? WHERE id = ?")
    .bind(place, precision, id)
    .run()

/** Gives the pairs of a dataset the responses of those that have the same number in the world's own. */
export const sayTheSame = async (id: string) => {
  const ours = (column: string) =>
    `(SELECT ours.${column} FROM pairs ours JOIN comparisons of_ours ON of_ours.id = ours.comparison_id
       WHERE ours.dataset_id = ?1 AND of_ours.external_id =
             (SELECT external_id FROM comparisons WHERE id = pairs.comparison_id))`
  await bindings.DB.prepare(
    `UPDATE pairs SET chosen_digest = ${ours("chosen_digest")}, rejected_digest = ${ours("rejected_digest")}
      WHERE dataset_id = ?2`,
  )
    .bind(DATASET, id)
    .run()
}
