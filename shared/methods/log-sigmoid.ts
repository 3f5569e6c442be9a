// log σ and σ of f64 without overflow or cancellation at either end.

/** log σ(x) = −softplus(−x), nats. Exact to rounding for every finite x. */
export function logSigmoid(x: number): number {
  return x >= 0 ? -Math.log1p(Math.exp(-x)) : x - Math.log1p(Math.exp(x))
}

/** σ(x) = 1 / (1 + e^−x); never computed as 1 − σ(−x), which would lose all digits for large x. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x))
  const exponential = Math.exp(x)
  return exponential / (1 + exponential)
}
