// What all families of attention kernels take: their tensors, and the parameters that every struct Params begins with.
import type { Tensor } from "#gpu-runner/device/tensor.ts"

export interface AttentionParams extends Readonly<Record<string, number>> {
  /** Q and T. */
  readonly query_count: number
  readonly key_count: number
  readonly head_count: number
  readonly group_size: number
  readonly head_lane4s: number
  readonly scale: number
  /** Of the scores; 0 where there is none. */
  readonly soft_cap: number
}

export interface AttentionForwardTensors {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
  readonly output: Tensor
  readonly logSumExp: Tensor
}

export interface AttentionBackwardTensors extends AttentionForwardTensors {
  readonly dOutput: Tensor
  readonly dQuery: Tensor
  readonly dKey: Tensor
  readonly dValue: Tensor
}
