// For matmul_matrix.wgsl: which tilings a configuration of subgroup matrices allows, and their variants.
import { type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import { KNOWN_MATRIX_UNITS, type MatrixUnits, matrixVariant } from "#gpu-runner/device/matrix-units.ts"
import { fragmentText } from "./fragment-text.ts"
import { EXAMPLE_FORMS, formName, formVariant, type MatmulForm, variantsOnDemand } from "./matmul-forms.ts"

/** Fragments of a subgroup: rows × columns. */
const FRAGMENTS = { "2x2": [2, 2], "4x2": [4, 2], "4x4": [4, 4] } as const
type Fragments = keyof typeof FRAGMENTS

/** Rows and columns of a workgroup's tile. */
const TILES = [128, 64, 32] as const

export interface MatrixTiling {
  readonly tile: (typeof TILES)[number]
  readonly fragments: Fragments
  readonly subgroups: number
  /** Depth of one step: an invocation stages 16 elements of each operand. */
  readonly step: number
  readonly workgroupBytes: number
}

interface WorkgroupLimits {
  readonly maxComputeWorkgroupStorageSize: number
  readonly maxComputeInvocationsPerWorkgroup: number
}

/** Every tiling that the units and the device's limits allow: larger tiles first, and of one tile more subgroups first. */
export function matrixTilings(units: MatrixUnits, limits: WorkgroupLimits): MatrixTiling[] {
  return TILES.flatMap((tile) =>
    (Object.keys(FRAGMENTS) as Fragments[]).flatMap((fragments) => {
      const [down, across] = FRAGMENTS[fragments]
      const [rows, columns] = [down * units.rows, across * units.columns]
      if (tile % rows !== 0 || tile % columns !== 0) return []
      const subgroups = (tile / rows) * (tile / columns)
      const step = (16 * units.lanes * subgroups) / tile
      if (step % units.depth !== 0 || step > 64) return []
      // Two buffers of two operands in f16, 8 places of padding a row; a fragment in f32 for each subgroup.
      const operandBytes = 2 * Math.max(tile * (step + 8), step * (tile + 8))
      const workgroupBytes = 4 * operandBytes + 4 * subgroups * units.rows * units.columns
      const isAllowed =
        workgroupBytes <= limits.maxComputeWorkgroupStorageSize &&
        units.lanes * subgroups <= limits.maxComputeInvocationsPerWorkgroup
      return isAllowed ? [{ tile, fragments, subgroups, step, workgroupBytes }] : []
    }),
  )
}

interface MatrixChoice {
  readonly units: MatrixUnits
  readonly tiling: MatrixTiling
  readonly form: MatmulForm
}

function choiceName({ units, tiling, form }: MatrixChoice): string {
  const { rows, columns, depth, lanes, isSizeControlled, isEmulated } = units
  const mode = `${isSizeControlled ? "sized" : "fixed"}${isEmulated ? ".emulated" : ""}`
  return `${rows}x${columns}x${depth}.${lanes}.${mode}.${tiling.tile}.${tiling.fragments}.${formName(form)}`
}

function make({ units, tiling, form }: MatrixChoice): KernelVariant {
  const ofUnits = matrixVariant(units)
  const ofForm = formVariant(form)
  const { tile, fragments, subgroups, step, workgroupBytes } = tiling
  const [fragmentRows, fragmentColumns] = FRAGMENTS[fragments]
  const mode = units.isEmulated ? "matrix_emulated" : "matrix_native"
  return {
    ...ofUnits,
    workgroupBytes,
    modules: [...(ofForm.modules ?? []), mode],
    // The emulation has its own.
    ...(units.isEmulated ? {} : { text: fragmentText(fragmentRows, fragmentColumns) }),
    sizes: {
      ...ofUnits.sizes,
      ...ofForm.sizes,
      TILE: tile,
      STEP: step,
      SUBGROUPS: subgroups,
      FRAGMENT_ROWS: fragmentRows,
      FRAGMENT_COLUMNS: fragmentColumns,
    },
  }
}

/** What GPUs allow that have subgroup matrices: NVIDIA 48 KiB. */
const USUAL_LIMITS: WorkgroupLimits = { maxComputeWorkgroupStorageSize: 49_152, maxComputeInvocationsPerWorkgroup: 256 }

const examples: readonly MatrixChoice[] = KNOWN_MATRIX_UNITS.flatMap((units) => {
  const tilings = matrixTilings(units, USUAL_LIMITS)
  return [
    ...tilings.map((tiling) => ({ units, tiling, form: EXAMPLE_FORMS[0]! })),
    ...EXAMPLE_FORMS.map((form) => ({ units, tiling: tilings[0]!, form })),
  ]
})

const { variants, variantOf } = variantsOnDemand(choiceName, make, examples)

/** The variant for a configuration, a tiling and a form. */
export const matrixMatmulVariant = variantOf

export const matmulMatrixKernel = loadKernel("matmul_matrix", variants)
