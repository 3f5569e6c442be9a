// Values that a JSON schema allows, small ones mostly and its bounds now and then.
import fc from "fast-check"
import type { JsonSchema } from "./operations.ts"
import type { Random } from "./Random.ts"

const MOST_TEXT = 40
const MOST_ITEMS = 4
/** An object with more optional keys than this (training options) gets few of them at once. */
const MANY_KEYS = 12
const PIECES = ["a", "Z", "7", " ", "-", "_", "é", "茶", "👩‍🔬", "\n", '"', "\\", "<", "%", "؟", "\u0301"]

const patterns = new Map<string, fc.Arbitrary<string>>()

const matching = (pattern: string, random: Random): string => {
  const known = patterns.get(pattern) ?? fc.stringMatching(new RegExp(pattern))
  patterns.set(pattern, known)
  return fc.sample(known, { seed: random.below(2 ** 31), numRuns: 1 })[0]!
}

export class SchemaValues {
  readonly #components: Readonly<Record<string, JsonSchema>>

  constructor(components: Readonly<Record<string, JsonSchema>>) {
    this.#components = components
  }

  valueOf(schema: JsonSchema, random: Random): unknown {
    const { $ref, anyOf, oneOf, allOf } = schema
    if ($ref !== undefined) return this.valueOf(this.#components[$ref.split("/").at(-1)!] ?? {}, random)
    if (schema.const !== undefined) return schema.const
    if (schema.enum !== undefined) return random.pick(schema.enum)
    if (allOf !== undefined) return this.valueOf(Object.assign({}, ...allOf, { ...schema, allOf: undefined }), random)
    const choices = anyOf ?? oneOf
    if (choices !== undefined) return this.valueOf(random.pick(choices), random)
    return this.#ofType(schema, random)
  }

  #ofType(schema: JsonSchema, random: Random): unknown {
    switch (schema.type) {
      case "string":
        return textOf(schema, random)
      case "integer":
        return Math.trunc(numberOf(schema, random))
      case "number":
        return numberOf(schema, random)
      case "boolean":
        return random.chance(0.5)
      case "null":
        return null
      case "array":
        return this.#list(schema, random)
      case "object":
        return this.#object(schema, random)
      default:
        return fc.sample(fc.jsonValue({ maxDepth: 2 }), { seed: random.below(2 ** 31), numRuns: 1 })[0]
    }
  }

  #list({ prefixItems = [], items = {}, minItems = 0, maxItems = MOST_ITEMS }: JsonSchema, random: Random): unknown[] {
    const most = Math.max(minItems, Math.min(maxItems, MOST_ITEMS))
    const length = minItems + random.below(most - minItems + 1)
    return Array.from({ length }, (_, index) => this.valueOf(prefixItems[index] ?? items, random))
  }

  #object(schema: JsonSchema, random: Random): Record<string, unknown> {
    const { properties = {}, required = [], additionalProperties, propertyNames } = schema
    const share = Object.keys(properties).length > MANY_KEYS ? 0.04 : 0.4
    const value: Record<string, unknown> = {}
    for (const [name, property] of Object.entries(properties))
      if (required.includes(name) || random.chance(share)) value[name] = this.valueOf(property, random)
    if (typeof additionalProperties === "object")
      for (let left = random.below(MOST_ITEMS); left > 0; left--)
        value[textOf(propertyNames ?? { minLength: 1 }, random)] = this.valueOf(additionalProperties, random)
    return value
  }
}

const textOf = ({ pattern, minLength = 0, maxLength = MOST_TEXT, format }: JsonSchema, random: Random): string => {
  if (pattern !== undefined) return matching(pattern, random)
  if (format === "date-time") return new Date(random.below(2 ** 31) * 1000).toISOString()
  const most = random.chance(0.03) ? maxLength : Math.max(minLength, Math.min(maxLength, MOST_TEXT))
  const length = minLength + random.below(most - minLength + 1)
  let text = ""
  while (text.length < length) text += random.pick(PIECES)
  return text.slice(0, length).toWellFormed().padEnd(minLength, "x")
}

const numberOf = (schema: JsonSchema, random: Random): number => {
  const { minimum = schema.exclusiveMinimum ?? -1000, maximum = schema.exclusiveMaximum ?? 1000 } = schema
  if (random.chance(0.1)) return random.chance(0.5) ? minimum : maximum
  const low = Math.max(minimum, -1000)
  return low + random.unit() * (Math.min(maximum, low + 1000) - low)
}
