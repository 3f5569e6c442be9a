/** A system cannot be had on this machine; the message is what the table says after "not run". */
export class CannotRun extends Error {
  readonly _tag = "CannotRun"
}
