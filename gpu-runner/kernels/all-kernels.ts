// Every kernel of this folder, for the lane that compiles them all.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { matrixProbeKernel } from "#gpu-runner/device/matrix-units.ts"
import { adamwKernel } from "./adamw.ts"
import { adamw8bitKernel } from "./adamw_8bit.ts"
import { addKernel } from "./add.ts"
import { addRowBiasKernel } from "./add_row_bias.ts"
import { attentionKernel } from "./attention.ts"
import { attentionBackwardKeyKernel } from "./attention_backward_key.ts"
import { attentionBackwardQueryKernel } from "./attention_backward_query.ts"
import { attentionStatisticsKernel } from "./attention_statistics.ts"
import { attentionTileForwardKernel } from "./attention_tile_forward.ts"
import { attentionTileGradientsKernel } from "./attention_tile_gradients.ts"
import { attentionTileKeyGradientKernel } from "./attention_tile_key_gradient.ts"
import { attentionTileQueryGradientKernel } from "./attention_tile_query_gradient.ts"
import { attentionWorkgroupForwardKernel } from "./attention_workgroup_forward.ts"
import { attentionWorkgroupKeyGradientKernel } from "./attention_workgroup_key_gradient.ts"
import { attentionWorkgroupQueryGradientKernel } from "./attention_workgroup_query_gradient.ts"
import { axpyKernel } from "./axpy.ts"
import { clipCoefficientKernel } from "./clip_coefficient.ts"
import { columnPartialsKernel } from "./column_partials.ts"
import { columnSumKernel } from "./column_sum.ts"
import { copyColumnsKernel } from "./copy_columns.ts"
import { dequantiseRowsKernel } from "./dequantise_rows.ts"
import { divergenceRowsKernel } from "./divergence_rows.ts"
import { divergenceRowsBackwardKernel } from "./divergence_rows_backward.ts"
import { dropoutKernel } from "./dropout.ts"
import { fillKernel } from "./fill.ts"
import { gatedActivationKernel } from "./gated_activation.ts"
import { gatedActivationBackwardKernel } from "./gated_activation_backward.ts"
import { gatherRowsKernel } from "./gather_rows.ts"
import { logNormaliserKernel } from "./log_normaliser.ts"
import { logSoftmaxBackwardKernel } from "./log_softmax_backward.ts"
import { logSoftmaxPickKernel } from "./log_softmax_pick.ts"
import { matmulMatrixKernel } from "./matmul_matrix.ts"
import { matmulNaiveKernel } from "./matmul_naive.ts"
import { matmulNarrowSubgroupKernel } from "./matmul_narrow_subgroup.ts"
import { matmulPackedSubgroupKernel } from "./matmul_packed_subgroup.ts"
import { matmulSlicesKernel } from "./matmul_slices.ts"
import { matmulSubgroupKernel } from "./matmul_subgroup.ts"
import { matmulWorkgroupKernel } from "./matmul_workgroup.ts"
import { rmsNormKernel } from "./rms_norm.ts"
import { rmsNormBackwardKernel } from "./rms_norm_backward.ts"
import { rmsNormWeightPartialsKernel } from "./rms_norm_weight_partials.ts"
import { ropeKernel } from "./rope.ts"
import { rowProductsKernel } from "./row_products.ts"
import { rowProductsAnyKernel } from "./row_products_any.ts"
import { scaleRowsKernel } from "./scale_rows.ts"
import { scatterAddRowsKernel } from "./scatter_add_rows.ts"
import { softCapKernel } from "./soft_cap.ts"
import { sumKernel } from "./sum.ts"
import { sumOfSquaresPartialsKernel } from "./sum_of_squares_partials.ts"
import { weightedSlotSumKernel } from "./weighted_slot_sum.ts"

export const allKernels: readonly Kernel[] = [
  adamwKernel,
  adamw8bitKernel,
  addKernel,
  addRowBiasKernel,
  attentionKernel,
  attentionBackwardKeyKernel,
  attentionBackwardQueryKernel,
  attentionStatisticsKernel,
  attentionTileForwardKernel,
  attentionTileGradientsKernel,
  attentionTileKeyGradientKernel,
  attentionTileQueryGradientKernel,
  attentionWorkgroupForwardKernel,
  attentionWorkgroupKeyGradientKernel,
  attentionWorkgroupQueryGradientKernel,
  axpyKernel,
  clipCoefficientKernel,
  columnPartialsKernel,
  columnSumKernel,
  copyColumnsKernel,
  divergenceRowsKernel,
  divergenceRowsBackwardKernel,
  dequantiseRowsKernel,
  dropoutKernel,
  fillKernel,
  gatedActivationKernel,
  gatedActivationBackwardKernel,
  gatherRowsKernel,
  logNormaliserKernel,
  logSoftmaxBackwardKernel,
  logSoftmaxPickKernel,
  matmulMatrixKernel,
  matmulNaiveKernel,
  matmulNarrowSubgroupKernel,
  matmulPackedSubgroupKernel,
  matmulSlicesKernel,
  matmulSubgroupKernel,
  matmulWorkgroupKernel,
  matrixProbeKernel,
  rmsNormKernel,
  rmsNormBackwardKernel,
  rmsNormWeightPartialsKernel,
  ropeKernel,
  rowProductsKernel,
  rowProductsAnyKernel,
  scaleRowsKernel,
  scatterAddRowsKernel,
  softCapKernel,
  sumKernel,
  sumOfSquaresPartialsKernel,
  weightedSlotSumKernel,
]
