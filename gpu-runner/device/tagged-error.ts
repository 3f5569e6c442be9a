// The one shape of a typed failure in the runner: a plain class with a `_tag`, so that Effect code can catch it by tag and plain code by
// `instanceof`. A class that words its message from values extends it with a constructor of its own.

type Options<Fields> = keyof Fields extends never ? [options?: ErrorOptions] : [fields: Readonly<Fields> & ErrorOptions]

interface TaggedErrorClass<Tag extends string, Fields> {
  new (message: string, ...options: Options<Fields>): Error & { readonly _tag: Tag } & Readonly<Fields>
}

/** The class to extend; what is given as `Fields` stands on the error. */
export function taggedError<Tag extends string, Fields extends object = Record<never, never>>(
  tag: Tag,
): TaggedErrorClass<Tag, Fields> {
  class TaggedError extends Error {
    readonly _tag = tag
    constructor(message: string, { cause, ...fields }: ErrorOptions = {}) {
      super(message, cause === undefined ? undefined : { cause })
      this.name = tag
      Object.assign(this, fields)
    }
  }
  return TaggedError as unknown as TaggedErrorClass<Tag, Fields>
}
