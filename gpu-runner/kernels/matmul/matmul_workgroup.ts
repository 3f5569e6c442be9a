// The tiles that matmul_workgroup.wgsl is built with.
import { type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import { EXAMPLE_FORMS, formName, formVariant, type MatmulForm, variantsOnDemand } from "./matmul-forms.ts"

/** Rows and columns of a workgroup's tile. A tile of 32 would have 16 invocations: half a subgroup. */
export const WORKGROUP_TILES = [128, 64] as const
export type WorkgroupTile = (typeof WORKGROUP_TILES)[number]

/** Depth of one step. */
const WORKGROUP_STEP = 16

interface WorkgroupChoice {
  readonly tile: WorkgroupTile
  readonly form: MatmulForm
}

function choiceName({ tile, form }: WorkgroupChoice): string {
  return `${tile}.${formName(form)}`
}

function make({ tile, form }: WorkgroupChoice): KernelVariant {
  const ofForm = formVariant(form)
  const sizes = { ...ofForm.sizes, TILE: tile, STEP: WORKGROUP_STEP }
  return { ...ofForm, sizes, workgroupBytes: workgroupTileBytes(tile) }
}

/** Bytes of workgroup memory: two tiles with a quad of padding a row. */
export function workgroupTileBytes(tile: WorkgroupTile): number {
  return 2 * WORKGROUP_STEP * (tile + 4) * 4
}

const examples: readonly WorkgroupChoice[] = [
  ...EXAMPLE_FORMS.map((form) => ({ tile: 64, form }) as const),
  ...WORKGROUP_TILES.map((tile) => ({ tile, form: EXAMPLE_FORMS[0]! })),
]

const { variants, variantOf } = variantsOnDemand(choiceName, make, examples)

/** The variant for a tile and a form. */
export const workgroupVariant = variantOf

export const matmulWorkgroupKernel = loadKernel("matmul_workgroup", variants)
