// The limits of the oldest gates, as the deployment sets them.
import { DEFAULT_LIMITS, type OwnLimits } from "#shared/gates/default-rules.ts"
import type { Environment } from "../Environment.ts"
import { numberSetting } from "../settings.ts"

/** Throws SettingInvalid. */
export const gateLimits = (env: Environment): OwnLimits => ({
  minimumGain: numberSetting(env, "YOHAKU_GATE_MINIMUM_GAIN", DEFAULT_LIMITS.minimumGain, -1),
  productionTolerance: numberSetting(env, "YOHAKU_GATE_PRODUCTION_TOLERANCE", DEFAULT_LIMITS.productionTolerance, 0),
  driftPerToken: numberSetting(env, "YOHAKU_GATE_DRIFT_PER_TOKEN", DEFAULT_LIMITS.driftPerToken, 0),
  takenBackShare: numberSetting(env, "YOHAKU_GATE_TAKEN_BACK", DEFAULT_LIMITS.takenBackShare, 0),
})
