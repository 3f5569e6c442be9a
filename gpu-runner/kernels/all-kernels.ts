// Every kernel of this folder, for the lane that compiles them all.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { matrixProbeKernel } from "#gpu-runner/device/matrix-units.ts"
import { attentionKernel } from "./attention/attention.ts"
import { attentionBackwardKeyKernel } from "./attention/attention_backward_key.ts"
import { attentionBackwardQueryKernel } from "./attention/attention_backward_query.ts"
import { attentionStatisticsKernel } from "./attention/attention_statistics.ts"
import { attentionTileForwardKernel } from "./attention/attention_tile_forward.ts"
import { attentionTileGradientsKernel } from "./attention/attention_tile_gradients.ts"
import { attentionTileKeyGradientKernel } from "./attention/attention_tile_key_gradient.ts"
import { attentionTileQueryGradientKernel } from "./attention/attention_tile_query_gradient.ts"
import { attentionWorkgroupForwardKernel } from "./attention/attention_workgroup_forward.ts"
import { attentionWorkgroupKeyGradientKernel } from "./attention/attention_workgroup_key_gradient.ts"
import { attentionWorkgroupQueryGradientKernel } from "./attention/attention_workgroup_query_gradient.ts"
import { addKernel } from "./elementwise/add.ts"
import { axpyKernel } from "./elementwise/axpy.ts"
import { dropoutKernel } from "./elementwise/dropout.ts"
import { fillKernel } from "./elementwise/fill.ts"
import { gatedActivationKernel } from "./elementwise/gated_activation.ts"
import { gatedActivationBackwardKernel } from "./elementwise/gated_activation_backward.ts"
import { softCapKernel } from "./elementwise/soft_cap.ts"
import { divergenceRowsKernel } from "./head/divergence_rows.ts"
import { divergenceRowsBackwardKernel } from "./head/divergence_rows_backward.ts"
import { logNormaliserKernel } from "./head/log_normaliser.ts"
import { logSoftmaxBackwardKernel } from "./head/log_softmax_backward.ts"
import { logSoftmaxPickKernel } from "./head/log_softmax_pick.ts"
import { matmulMatrixKernel } from "./matmul/matmul_matrix.ts"
import { matmulNaiveKernel } from "./matmul/matmul_naive.ts"
import { matmulNarrowSubgroupKernel } from "./matmul/matmul_narrow_subgroup.ts"
import { matmulPackedSubgroupKernel } from "./matmul/matmul_packed_subgroup.ts"
import { matmulSlicesKernel } from "./matmul/matmul_slices.ts"
import { matmulSubgroupKernel } from "./matmul/matmul_subgroup.ts"
import { matmulWorkgroupKernel } from "./matmul/matmul_workgroup.ts"
import { rowProductsKernel } from "./matmul/row_products.ts"
import { rowProductsAnyKernel } from "./matmul/row_products_any.ts"
import { weightedSlotSumKernel } from "./matmul/weighted_slot_sum.ts"
import { adamwKernel } from "./optimiser/adamw.ts"
import { adamw8bitKernel } from "./optimiser/adamw_8bit.ts"
import { clipCoefficientKernel } from "./optimiser/clip_coefficient.ts"
import { sumKernel } from "./optimiser/sum.ts"
import { sumOfSquaresPartialsKernel } from "./optimiser/sum_of_squares_partials.ts"
import { addRowBiasKernel } from "./rows/add_row_bias.ts"
import { columnPartialsKernel } from "./rows/column_partials.ts"
import { columnSumKernel } from "./rows/column_sum.ts"
import { copyColumnsKernel } from "./rows/copy_columns.ts"
import { dequantiseRowsKernel } from "./rows/dequantise_rows.ts"
import { gatherRowsKernel } from "./rows/gather_rows.ts"
import { rmsNormKernel } from "./rows/rms_norm.ts"
import { rmsNormBackwardKernel } from "./rows/rms_norm_backward.ts"
import { rmsNormWeightPartialsKernel } from "./rows/rms_norm_weight_partials.ts"
import { ropeKernel } from "./rows/rope.ts"
import { scaleRowsKernel } from "./rows/scale_rows.ts"
import { scatterAddRowsKernel } from "./rows/scatter_add_rows.ts"

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
