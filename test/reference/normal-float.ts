// NormalFloat-4 from its definition, in f64: the oracle of the table in shared/formats/weights/normal-float.ts.
// Source: QLoRA (arXiv 2305.14314), section 3, as bitsandbytes computes it (functional.py, create_normal_map): the quantiles of a normal
// distribution at 8 evenly spaced probabilities above 1/2 and at 7 below, scaled so that the outermost are ±1, and zero.

// Half-way between 1 − 1/(2·15) and 1 − 1/(2·16).
const OUTERMOST_PROBABILITY = 1 - (1 / 30 + 1 / 32) / 2

/** The sixteen code values in ascending order. */
export function normalFloat4(): number[] {
  const largest = normalQuantile(OUTERMOST_PROBABILITY)
  // `count` probabilities from the outermost one in equal steps towards 1/2, which itself is left out.
  const quantiles = (count: number) =>
    Array.from({ length: count }, (_, step) => {
      const probability = OUTERMOST_PROBABILITY + (step / count) * (0.5 - OUTERMOST_PROBABILITY)
      return normalQuantile(probability) / largest
    })
  return [...quantiles(7).map((quantile) => -quantile), 0, ...quantiles(8).reverse()]
}

/** x with Φ(x) = probability, for probabilities from 1/2 to about 0.99. Newton's steps from 0 rise to it, since Φ is concave there. */
function normalQuantile(probability: number): number {
  let x = 0
  for (let step = 0; step < 60; step++) x += (probability - cumulative(x)) / density(x)
  return x
}

function density(x: number): number {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
}

/** Φ(x) = 1/2 + φ(x)(x + x³/3 + x⁵/(3·5) + …), Marsaglia 2004; terms fall fast for the |x| < 2 of use here. */
function cumulative(x: number): number {
  let term = x
  let sum = x
  for (let odd = 3; odd < 101; odd += 2) {
    term *= (x * x) / odd
    sum += term
  }
  return 0.5 + sum * density(x)
}
