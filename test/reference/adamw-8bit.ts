// Reference: AdamW with moments in 8 bits, one tensor (Dettmers et al., arXiv 2110.02861). The value map is decoded here from the bits
// of the paper's dynamic tree type, and rounding searches all values.
import { type AdamwSettings, type AdamwState, adamwStep } from "./adamw.ts"
import type { Array64 } from "./array64.ts"

const BLOCK_SIZE = 256

/** The value of a dynamic tree pattern of `bits` bits: leading zeros give the decade, the bits after the first 1 the linear fraction. */
function treeValue(pattern: number, bits: number): number {
  const fractionBits = Math.floor(Math.log2(pattern))
  const decade = bits - 1 - fractionBits
  const fraction = (pattern - 2 ** fractionBits + 0.5) / 2 ** fractionBits
  return 10 ** -decade * (0.1 + 0.9 * fraction)
}

/** All 256 values, ascending. The pattern 0 is 0; the one that is left over (minus zero, or the eighth decade) is 1. */
export function dynamicMap64(isSigned: boolean): number[] {
  const values = [0, 1]
  for (let byte = 1; byte < 256; byte++) {
    if (isSigned && byte % 128 !== 0) values.push((byte >= 128 ? -1 : 1) * treeValue(byte % 128, 7))
    if (!isSigned && byte !== 1) values.push(treeValue(byte, 8))
  }
  return values.sort((left, right) => left - right)
}

const MAPS = { first: dynamicMap64(true), second: dynamicMap64(false) }

export interface Quantised64 {
  readonly codes: Uint8Array
  /** One a block of 256. */
  readonly scales: Float64Array
}

/** Codes and scales of zeros. */
export function zeroQuantised64(count: number): Quantised64 {
  return { codes: new Uint8Array(count), scales: new Float64Array(Math.ceil(count / BLOCK_SIZE)) }
}

/** map[code] · scale. */
function expanded64(moment: keyof typeof MAPS, { codes, scales }: Quantised64): Float64Array {
  return Float64Array.from(codes, (code, i) => MAPS[moment][code]! * scales[Math.floor(i / BLOCK_SIZE)]!)
}

function nearestCode(map: readonly number[], value: number): number {
  return map.reduce((best, candidate, code) => {
    return Math.abs(candidate - value) < Math.abs(map[best]! - value) ? code : best
  }, 0)
}

/** Block by block: the scale is the largest magnitude, a code the nearest value; a positive second moment never becomes 0. */
export function quantised64(moment: keyof typeof MAPS, values: Float64Array): Quantised64 {
  const map = MAPS[moment]
  const result = zeroQuantised64(values.length)
  result.scales.forEach((_, block) => {
    const from = block * BLOCK_SIZE
    const inBlock = values.slice(from, from + BLOCK_SIZE)
    const scale = inBlock.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    result.scales[block] = scale
    inBlock.forEach((value, i) => {
      const code = nearestCode(map, scale > 0 ? value / scale : 0)
      result.codes[from + i] = moment === "second" && value > 0 ? Math.max(1, code) : code
    })
  })
  return result
}

export interface Adamw8bitState {
  readonly parameter: Array64
  first: Quantised64
  second: Quantised64
}

/** Performs step number `step` (from 1): expands the moments, steps as AdamW does, and quantises them again. */
export function adamw8bitStep(state: Adamw8bitState, gradient: Array64, step: number, settings: AdamwSettings): void {
  const { shape } = state.parameter
  const expanded: AdamwState = {
    parameter: state.parameter,
    firstMoment: { shape, data: expanded64("first", state.first) },
    secondMoment: { shape, data: expanded64("second", state.second) },
  }
  adamwStep(expanded, gradient, step, settings)
  state.first = quantised64("first", expanded.firstMoment.data)
  state.second = quantised64("second", expanded.secondMoment.data)
}
