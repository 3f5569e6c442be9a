// What a device computed of a base, kept while it is open: greedy answers and log-probs follow from the weights as they are held, from what is asked
// and from the device, and runs over one pack ask the same of one base. In memory alone, so that no other version's kernels have a part in it.
import { sha256 } from "#gpu-runner/data/files.ts"
import type { ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { ScoringModel } from "#gpu-runner/trainer/results/scorer.ts"
import { canonicalJson } from "#shared/formats/digest.ts"

/** Answers to 32 prompts, or the scores of all probes: tens of kilobytes each. */
const MOST_KEPT = 16

const ofDevices = new WeakMap<GpuDevice, Map<string, unknown>>()

/** A place for what is computed once. */
export interface Memory<T> {
  readonly known: T | undefined
  readonly keep: (value: T) => void
}

/** `asked` is all that the values depend on beside base and device; JSON. */
export function memoryOf<T>(
  gpu: GpuDevice,
  { model, baseWeights = "stored", precision = "mixed" }: Omit<ScoringModel, "adapter">,
  asked: object,
): Memory<T> {
  const kept = ofDevices.get(gpu) ?? new Map<string, unknown>()
  ofDevices.set(gpu, kept)
  const key = sha256(canonicalJson({ ...identityOf(model), baseWeights, precision, asked }))
  const keep = (value: T): void => {
    kept.delete(key)
    kept.set(key, value)
    for (const oldest of kept.keys()) if (kept.size > MOST_KEPT) kept.delete(oldest)
  }
  const known = kept.get(key) as T | undefined
  // What was used last goes last.
  if (known !== undefined) keep(known)
  return { known, keep }
}

/** The fingerprint names weights, tokenizer and template; the configuration says what is computed with them. */
const identityOf = ({ fingerprint, config }: ModelFolder) => ({ fingerprint, config })
