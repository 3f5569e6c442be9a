// Where a judge's key is told: never on a command line, never in a dataset.
export const KEY_VARIABLE = "YOHAKU_JUDGE_KEY"
