// The suites that `yohaku judge` knows, by name.
import { alpacaEval2 } from "./alpaca-eval-2.ts"
import { arenaHard } from "./arena-hard.ts"
import { calibration } from "./calibration.ts"
import { humanAnchored } from "./human-anchored.ts"
import type { Suite } from "./suite.ts"

export const SUITES: Readonly<Record<string, Suite>> = {
  "alpaca-eval-2": alpacaEval2,
  "arena-hard-0.1": arenaHard("0.1"),
  "arena-hard-2": arenaHard("2.0"),
  calibration,
  "human-anchored": humanAnchored,
}
