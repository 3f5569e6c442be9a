// Parameters that many endpoints share.
import { Schema } from "effect"
import { BOUNDS, nameOf } from "#shared/domain/bounds.ts"

/** Optional in the schema because its absence has a problem of its own, which says what to send. */
export const idempotencyHeaders = {
  "idempotency-key": Schema.optionalKey(
    Schema.String.annotate({
      description:
        "Required where something is created. The same key with the same request has one effect and one answer.",
    }),
  ),
}

export const fencingHeaders = {
  "yohaku-fencing-token": Schema.Int.annotate({ description: "The lease's fencing token: rises with every lease." }),
}

export const pageQuery = {
  /** `nextCursor` of the page before. */
  cursor: Schema.optionalKey(nameOf(BOUNDS.sentence)),
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))),
}

/** One page of a list; `nextCursor` is absent on the last. */
export const Page = <Item extends Schema.Top>(item: Item) =>
  Schema.Struct({ items: Schema.Array(item), nextCursor: Schema.optionalKey(Schema.String) })
