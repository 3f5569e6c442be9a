// The suites that `yohaku judge` knows, by name.
import { alpacaEval2 } from "./alpaca-eval-2.ts"
import type { Suite } from "./suite.ts"

export const SUITES: Readonly<Record<string, Suite>> = {
  "alpaca-eval-2": alpacaEval2,
}
