// A linear layer y = x Wᵀ + b + s·(dropout(x) Aᵀ) Bᵀ, forward beside backward. With a low-rank update (LoRA, arXiv 2106.09685) W and b
// are frozen; without one they are trained or frozen.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { BINDING_ALIGNMENT_BYTES, rowsView, type Tensor } from "#gpu-runner/device/tensor.ts"
import { roundsProducts } from "#gpu-runner/ops/choose-variant.ts"
import { axpy, scale as scaled } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { addWeightGradient, matmul, matmulParts } from "#gpu-runner/ops/matmul/matmul.ts"
import { rowProducts, type Segments } from "#gpu-runner/ops/matmul/row-products.ts"
import { addRowBias, gatherRows, rowBiasBackward, scatterAddRows } from "#gpu-runner/ops/rows/rows.ts"
import { dropInput } from "./adapter-dropout.ts"
import type { Matrix } from "./frozen-weight.ts"
import type { JoinedLinears } from "./joined-linears.ts"
import type { LayerPass, VoiceRows } from "./layer-pass.ts"

/** A weight in f32 and, if it is trained, where its gradient is added. */
export interface Weight {
  readonly value: Tensor
  readonly gradient?: Tensor | undefined
}

/** Slots of one low-rank matrix, as one micro-batch fills them. */
export interface RowSlots {
  /** [S, …the matrix's shape] */
  readonly slots: Tensor
  /** The tokens of each of the micro-batch's rows. */
  readonly segments: Segments
  /** The slot of its first row. */
  readonly firstSlot: number
}

/** One of the two matrices of a low-rank update. */
export interface LowRankWeight extends Weight {
  /** Where the gradient of every row of the batch goes by itself, in place of their sum: see row-gradients.ts. */
  readonly rowSlots?: RowSlots | undefined
}

/** The low-rank update of one linear layer. */
export interface LowRank {
  /** [r, in] */
  readonly a: LowRankWeight
  /** [out, r] */
  readonly b: LowRankWeight
  /** s = α / r, or α / √r (rank-stabilised, arXiv 2312.03732) */
  readonly scaling: number
  /** The module's number in the model: its dropout masks are its own. */
  readonly stream: number
}

export interface Linear {
  /** [out, in] */
  readonly weight: Matrix
  /** [out] */
  readonly bias?: Weight | undefined
  readonly lowRank?: LowRank | undefined
  /** Low-rank updates of several adapters side by side, each for the rows that a pass names (LayerPass.generation); never trained. */
  readonly voices?: readonly (LowRank | undefined)[] | undefined
}

export interface LinearResult {
  /** [T, out] */
  readonly output: Tensor
  /** dropout(x) Aᵀ [T, r], kept for the backward pass. */
  readonly projected: Tensor | undefined
}

/** The layer's output for input [T, in]: in a new tensor, or added to `into` [T, out] by a layer without bias. */
export function linear(
  pass: LayerPass,
  { weight, bias, lowRank, voices }: Linear,
  input: Tensor,
  into?: Tensor,
): LinearResult {
  const { context } = pass
  const projected =
    lowRank && matmul(context, dropInput(pass, input, lowRank.stream), lowRank.a.value, { transposeB: true })
  const update = lowRank && { left: projected!, right: lowRank.b.value, scale: lowRank.scaling }
  const addition = into && { out: into, accumulate: true }
  const product = matmul(context, input, weight.stored, { transposeB: true, lowRank: update, ...addition })
  const output = bias ? addRowBias(context, product, bias.value) : product
  if (voices) addVoices(pass, voices, input, output)
  return { output, projected }
}

/** The outputs of layers that read one input: by one product where a pass that generates finds their weights joined. */
export function linears<const Layers extends readonly Linear[]>(
  pass: LayerPass,
  layers: Layers,
  joined: JoinedLinears | undefined,
  input: Tensor,
): { readonly [Index in keyof Layers]: LinearResult } {
  const { context, generation } = pass
  // Kernels for many rows add a low-rank product for less than a pass of its own takes; those for few rows do not.
  const suits = generation && (context.steadyRows === "few" || layers.every(({ lowRank }) => !lowRank))
  const products = suits && joined ? matmulParts(context, input, joined.stored, joined.columns) : undefined
  const results = layers.map((layer, index): LinearResult => {
    if (!products) return linear(pass, layer, input)
    const { bias, lowRank, voices } = layer
    const product = products[index]!
    if (lowRank) addLowRank(context, lowRank, input, product)
    const output = bias ? addRowBias(context, product, bias.value) : product
    if (voices) addVoices(pass, voices, input, output)
    return { output, projected: undefined }
  })
  return results as unknown as { readonly [Index in keyof Layers]: LinearResult }
}

/** output += s·(x Aᵀ) Bᵀ, in passes that drop nothing. */
function addLowRank(context: OpContext, { a, b, scaling }: LowRank, input: Tensor, output: Tensor): void {
  const projected = matmul(context, input, a.value, { transposeB: true })
  matmul(context, projected, b.value, { transposeB: true, out: output, accumulate: true, scale: scaling })
}

/**
 * Where a block's last layer may add its output right away: to the block's input, which a pass that generates keeps for nothing else.
 * Undefined where something comes between the two.
 */
export function residualOf(
  { generation, predicting }: LayerPass,
  { postNorm }: { readonly postNorm: Weight | undefined },
  { bias }: Linear,
  input: Tensor,
): Tensor | undefined {
  return generation && !predicting && !postNorm && !bias ? input : undefined
}

/** Adds each voice's low-rank product to its own rows of `output`. The others' are not read, so that a broken adapter stays by itself. */
function addVoices(pass: LayerPass, voices: NonNullable<Linear["voices"]>, input: Tensor, output: Tensor): void {
  const { context, generation } = pass
  for (const { voice, rows, groups, consecutive } of generation?.voices ?? []) {
    const lowRank = voices[voice]
    if (!lowRank) continue
    context.memory.withScope(() => {
      const own = consecutive && [input, output].map((tensor) => viewOfRows(tensor, consecutive))
      if (own?.[0] && own[1]) {
        addLowRank(context, lowRank, own[0], own[1])
        return undefined
      }
      const projected = matmul(context, gatherRows(context, input, rows), lowRank.a.value, { transposeB: true })
      const update = matmul(context, projected, lowRank.b.value, { transposeB: true, scale: lowRank.scaling })
      scatterAddRows(context, groups, update, output)
      return undefined
    })
  }
}

/** Rows of a matrix as a view; undefined where they do not begin where a binding may. */
function viewOfRows(matrix: Tensor, { first, count }: NonNullable<VoiceRows["consecutive"]>): Tensor | undefined {
  const startBytes = first * 4 * matrix.shape[1]!
  return startBytes % BINDING_ALIGNMENT_BYTES === 0 ? rowsView(matrix, first, count) : undefined
}

export interface LinearSaved {
  /** [T, in] */
  readonly input: Tensor
  readonly projected: Tensor | undefined
  /** [T, out] */
  readonly dOutput: Tensor
}

/**
 * Adds the gradients of whatever is trained, and the input's gradient to `into` [T, in]: a new tensor, or the given one added to.
 * Nothing is returned for "unused".
 */
export function linearBackward(
  pass: LayerPass,
  { weight, bias, lowRank }: Linear,
  saved: LinearSaved,
  into: Tensor | "new" | "unused" = "new",
): Tensor | undefined {
  const { context, dropout } = pass
  const { input, dOutput } = saved
  if (weight.gradient) addWeightGradient(context, dOutput, input, weight.gradient)
  if (bias?.gradient) rowBiasBackward(context, dOutput, bias.gradient)
  const projection = lowRank && lowRankBackward(pass, lowRank, saved)
  if (into === "unused") return undefined
  const addition = into === "new" ? {} : { out: into, accumulate: true }
  if (!lowRank || !dropout || dropout.rate === 0) {
    const update = lowRank && { left: projection!.multiple, right: lowRank.a.value, scale: 1 / projection!.unit }
    return matmul(context, dOutput, weight.stored, { ...addition, lowRank: update })
  }
  const dInput = matmul(context, dOutput, weight.stored, addition)
  const dDropped = matmul(context, projection!.multiple, lowRank.a.value, { scale: 1 / projection!.unit })
  axpy(context, 1, dropInput(pass, dDropped, lowRank.stream), dInput)
  return dInput
}

/** What s·dY B is multiplied by where products round to f16: B, and it, are small for long, and f16 holds few bits below 6e-5. */
const SMALL_FACTOR_UNIT = 256

/** dB += s·dYᵀ(xAᵀ), dA += (s·dY B)ᵀ x, x with its dropout; returns a multiple of s·dY B [T, r], by a power of two. */
function lowRankBackward(pass: LayerPass, { a, b, scaling, stream }: LowRank, saved: LinearSaved) {
  const { context } = pass
  const { input, projected, dOutput } = saved
  const unit = roundsProducts(context) ? SMALL_FACTOR_UNIT : 1
  const multiple = context.memory.withScope(() => {
    const factor = unit === 1 ? b.value : scaled(context, b.value, unit)
    return matmul(context, dOutput, factor, { scale: scaling })
  })
  if (b.gradient) addProduct(context, b, dOutput, projected!, scaling)
  if (a.gradient) addProduct(context, a, multiple, dropInput(pass, input, stream), 1 / unit)
  return { multiple, unit }
}

/** The weight's gradient += scale · leftᵀ right, or each row's part of that into its slot. */
function addProduct(context: OpContext, weight: LowRankWeight, left: Tensor, right: Tensor, scale = 1): void {
  const { gradient, rowSlots } = weight
  if (!rowSlots) matmul(context, left, right, { transposeA: true, out: gradient!, accumulate: true, scale })
  else rowProducts(context, left, right, rowSlots.segments, rowSlots.slots, { firstSlot: rowSlots.firstSlot, scale })
}
