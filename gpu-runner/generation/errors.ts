// The typed failures of generating text. Each message says how to mend the cause.
import { taggedError } from "#gpu-runner/device/tagged-error.ts"

/** A model's logits hold no distribution: what it computes with is broken. */
export class BrokenLogits extends taggedError("BrokenLogits") {
  constructor(position: number) {
    super(
      `the model's logits at position ${position} are not finite; its weights or the adapter are broken (look for NaN in them), ` +
        "or overflow in f32",
    )
  }
}

/** The caller's signal was aborted. What was yielded stays. */
export class GenerationStopped extends taggedError("GenerationStopped") {
  constructor() {
    super("generating was stopped; the same command goes on from there")
  }
}

/** Options of sampling that mean nothing. */
export class InvalidSampling extends taggedError("InvalidSampling") {}

const bytes = (count: number) => count.toLocaleString("en-US")

/** An adapter does not fit beside what the device holds. Nothing of it was uploaded. */
export class AdapterTooLarge extends taggedError<"AdapterTooLarge", { neededBytes: number; leftBytes: number }>(
  "AdapterTooLarge",
) {
  constructor(neededBytes: number, leftBytes: number) {
    super(
      `the adapter takes ${bytes(neededBytes)} bytes of the device's memory, and ${bytes(Math.max(0, Math.floor(leftBytes)))} are left beside ` +
        "the model, its keys and values and the other adapters; use a lower --batch or --max-length, or fewer adapters",
      { neededBytes, leftBytes },
    )
  }
}

/** Not even one sequence fits beside the weights. Nothing was uploaded. */
export class GenerationTooLarge extends taggedError<"GenerationTooLarge", { neededBytes: number; budgetBytes: number }>(
  "GenerationTooLarge",
) {
  constructor(
    needed: { readonly fixedBytes: number; readonly cacheBytes: number; readonly passBytes: number },
    budgetBytes: number,
  ) {
    const { fixedBytes, cacheBytes, passBytes } = needed
    const neededBytes = fixedBytes + cacheBytes + passBytes
    super(
      `generating needs ${bytes(neededBytes)} bytes of memory for one sequence at a time (weights ${bytes(fixedBytes)}, keys and values ` +
        `${bytes(cacheBytes)}, a pass ${bytes(passBytes)}), and ${bytes(Math.floor(budgetBytes))} may be taken; use --base-weights nf4, a lower ` +
        "--max-tokens (of serve: --max-length), shorter prompts or a smaller model",
      { neededBytes, budgetBytes },
    )
  }
}
