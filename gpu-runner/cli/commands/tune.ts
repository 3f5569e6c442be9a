// `yohaku tune`: measures which kernel suits which products on this machine's adapter, and keeps that for later runs.
import { readKernelChoices, writeKernelChoices } from "#gpu-runner/data/kernel-choices.ts"
import { createContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import {
  choicesOf,
  linearLayerShapes,
  type MeasuredClass,
  measureProducts,
} from "#gpu-runner/ops/matmul/matmul-tuning.ts"
import type { ProductPrecision } from "#shared/formats/weights/product-precision.ts"
import type { CodedKind } from "#shared/formats/weights/quantisation.ts"
import { defineCommand, UsageError } from "../command.ts"
import { flag, precisionOf, precisionOption, text } from "../options.ts"
import { createProgress } from "../progress.ts"
import { withDevice } from "../with-device.ts"

const KINDS: readonly CodedKind[] = ["bf16", "f16", "int8", "nf4"]
const WIDTHS = [1024, 2048, 4096]
const TOKENS = [512, 2048, 8192]
/** Enough to see that measuring works; a software adapter needs minutes for more. */
const SMALL_SIZES = { widths: [128], tokens: [64] }

export const command = defineCommand({
  name: "tune",
  summary: "Measures which kernels multiply fastest on this machine's GPU, for later runs.",
  details:
    "Without it a table of usual choices is used. Choices are kept for each adapter, driver and version in ~/.cache/yohaku/kernels\n" +
    "($XDG_CACHE_HOME). Other kernels sum in another order: a run that is resumed repeats its bits only with the same choices.",
  options: {
    kind: text("KIND", `how frozen weights are held: ${KINDS.join(", ")} (default bf16)`),
    precision: precisionOption,
    "on-software": flag("measure on a software adapter too: small products, to try it out"),
  },
  run: async (values, terminal) => {
    const kind = (values.kind ?? "bf16") as CodedKind
    if (!KINDS.includes(kind)) throw new UsageError(`--kind ${kind}: give ${KINDS.join(", ")}`)
    const precision = precisionOf(values.precision)
    const report = await withDevice((gpu) => tuned(gpu, { kind, precision, onSoftware: values["on-software"] }))
    terminal.answer(report, () => summary(report))
  },
})

interface TuneReport {
  readonly adapter: string
  readonly file: string
  readonly measured: readonly MeasuredClass[]
}

interface TuneOptions {
  readonly kind: CodedKind
  readonly precision: ProductPrecision | undefined
  readonly onSoftware: boolean
}

async function tuned(gpu: GpuDevice, { kind, precision, onSoftware }: TuneOptions): Promise<TuneReport> {
  if (gpu.lane === "software" && !onSoftware) {
    throw new UsageError(
      "this is a software adapter, whose kernels are not chosen by measuring (--on-software tries it out)",
    )
  }
  const { widths, tokens } = gpu.lane === "software" ? SMALL_SIZES : { widths: WIDTHS, tokens: TOKENS }
  const shapes = widths.flatMap((width) => tokens.flatMap((count) => linearLayerShapes(count, width, kind)))
  const context = createContext(gpu, "gpu", { precision })
  const progress = createProgress()
  const measured: MeasuredClass[] = []
  for (const [index, shape] of shapes.entries()) {
    progress.show(`product ${index + 1} of ${shapes.length}`, index + 1 === shapes.length)
    measured.push(...(await measureProducts(context, [shape])))
  }
  const { adapterKey, description } = gpu.info
  const choices = { ...readKernelChoices(adapterKey), ...choicesOf(measured) }
  return { adapter: description, file: writeKernelChoices(adapterKey, choices), measured }
}

function summary({ adapter, file, measured }: TuneReport): string {
  const lines = measured.map(({ problemClass, winner, milliseconds }) => {
    const others = Object.entries(milliseconds).map(([name, ms]) => `${name} ${ms.toFixed(3)}`)
    return `${problemClass}: ${winner} (ms: ${others.join(", ")})`
  })
  return [adapter, ...lines, `kept in ${file}`].join("\n")
}
