// That what was said counts no more.

/** What was taken back in the tool: so is what was read of it before. */
export interface Retraction {
  /**
   * `externalId` is the id of an annotation, of a task (record) or of a project (dataset). `version`: of an annotation that says something
   * else from then on, which cannot be used: what it said before is over, as a later judgement would end it.
   */
  readonly scope: "annotation" | "version" | "task" | "project"
  readonly externalId: string
  /** When, by the tool's clock; `for-good`: it is deleted, and its id is not used again; undefined: the tool does not say. */
  readonly at: string | "for-good" | undefined
}

/** What an annotation said before a time; undefined: before now. */
export const saidBefore = (externalId: string, at: string | undefined): Retraction => {
  return { scope: "version", externalId, at }
}

/** What a record may be called, as what it said before. */
export const namesOf = (name: string | undefined, at?: string): readonly Retraction[] =>
  name === undefined ? [] : [saidBefore(name, at)]
