// What matrix products may round their operands to.

/** `mixed`: to f16, where the adapter has units for that; sums are f32. `f32`: not at all. */
export const PRODUCT_PRECISIONS = ["mixed", "f32"] as const
export type ProductPrecision = (typeof PRODUCT_PRECISIONS)[number]
