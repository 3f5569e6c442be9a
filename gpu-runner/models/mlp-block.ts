// The MLP half of a layer: norm, gated unit, projection (and norm), residual. Forward beside backward.
// Shape letters: T tokens (in the last layer those that predict something), C hidden size, F intermediate size.
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { add } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { geglu, gegluBackward, swiglu, swigluBackward } from "#gpu-runner/ops/elementwise/gated-activation.ts"
import type { JoinedLinears } from "./joined-linears.ts"
import type { LayerPass } from "./layer-pass.ts"
import { type Linear, linear, linearBackward, linears, residualOf, type Weight } from "./linear.ts"
import { norm, normBackward } from "./norm.ts"

export interface MlpBlock {
  readonly norm: Weight
  readonly gate: Linear
  readonly up: Linear
  /** Gate and up together, where a pass that generates has them so. */
  readonly joined: JoinedLinears | undefined
  readonly down: Linear
  /** where the config has postNorms */
  readonly postNorm: Weight | undefined
}

/** What the block keeps for its backward pass; undefined where the model has no such part. */
export type MlpActivations = {
  /** [T, C] */
  readonly input: Tensor
  /** [T] */
  readonly inputInverseRms: Tensor
  /** [T, C] */
  readonly normedInput: Tensor
  /** [T, F] */
  readonly gate: Tensor
  /** [T, F] */
  readonly up: Tensor
  /** [T, F] */
  readonly activated: Tensor
  /** [T, C] */
  readonly result: Tensor
  /** [T, C], before the post norm */
  readonly output: Tensor | undefined
  /** [T] */
  readonly outputInverseRms: Tensor | undefined
  /** [T, r]: dropout(x) Aᵀ of the module's adapter */
  readonly ofGate: Tensor | undefined
  readonly ofUp: Tensor | undefined
  readonly ofDown: Tensor | undefined
}

/** input + postNorm(down(activation(gate(x)) · up(x))) for x = norm(input), all [T, C]. */
export function mlpBlockForward(pass: LayerPass, block: MlpBlock, input: Tensor): MlpActivations {
  const { context, config } = pass
  const normed = norm(pass, block.norm, input)
  const [gate, up] = linears(pass, [block.gate, block.up], block.joined, normed.output)
  const gatedUnit = config.activation === "silu" ? swiglu : geglu
  const activated = gatedUnit(context, gate.output, up.output)
  const residual = residualOf(pass, block, block.down, input)
  const down = linear(pass, block.down, activated, residual)
  const postNormed = block.postNorm && norm(pass, block.postNorm, down.output)
  return {
    input,
    inputInverseRms: normed.inverseRms,
    normedInput: normed.output,
    gate: gate.output,
    up: up.output,
    activated,
    output: postNormed && down.output,
    outputInverseRms: postNormed?.inverseRms,
    result: residual ?? add(context, input, (postNormed ?? down).output),
    ofGate: gate.projected,
    ofUp: up.projected,
    ofDown: down.projected,
  }
}

/** `dRows` [T, C] is the gradient of the block's result when called, and of its input afterwards. */
export function mlpBlockBackward(pass: LayerPass, block: MlpBlock, kept: MlpActivations, dRows: Tensor): void {
  const { context, config } = pass
  const ofPostNorm = { input: kept.output!, inverseRms: kept.outputInverseRms!, dOutput: dRows }
  const dOutput = block.postNorm ? normBackward(pass, block.postNorm, ofPostNorm) : dRows
  const ofDown = { input: kept.activated, projected: kept.ofDown, dOutput }
  const dActivated = linearBackward(pass, block.down, ofDown)!
  const gatedUnitBackward = config.activation === "silu" ? swigluBackward : gegluBackward
  const { dGate, dUp } = gatedUnitBackward(context, kept.gate, kept.up, dActivated)
  const input = kept.normedInput
  const dNormed = linearBackward(pass, block.gate, { input, projected: kept.ofGate, dOutput: dGate })!
  linearBackward(pass, block.up, { input, projected: kept.ofUp, dOutput: dUp }, dNormed)
  const ofNorm = { input: kept.input, inverseRms: kept.inputInverseRms, dOutput: dNormed }
  normBackward(pass, block.norm, ofNorm, dRows)
}
