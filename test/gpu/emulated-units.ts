// Subgroup matrices emulated in plain WGSL, so that kernels made for tensor cores are value-tested on any adapter.
import type { MatrixUnits } from "#gpu-runner/device/matrix-units.ts"

/** Of a given configuration. */
export function emulatedUnits(rows: number, columns: number, depth: number, lanes: number): MatrixUnits {
  return { rows, columns, depth, lanes, isSizeControlled: false, isEmulated: true }
}
