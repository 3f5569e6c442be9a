// The tables of docs/gates.md that the gates' own definitions say.
import { BEHAVIOUR_RULES, DEFAULT_LIMITS, rulesOfLimits } from "#shared/gates/default-rules.ts"
import { MEASUREMENT_NAMES, MEASUREMENTS, type MeasurementDefinition } from "#shared/gates/measurements.ts"
import { inWords } from "#shared/gates/verdict.ts"
import { markdownTable } from "./markdown-table.ts"

/** By page and name of the table. */
export function gateTables(): Readonly<Record<string, Readonly<Record<string, string>>>> {
  return { "gates.md": { measurements: measurementTable(), "default gates": defaultGates() } }
}

function measurementTable(): string {
  return markdownTable(
    ["measurement", "unit", "95 % interval", "what it is", "after"],
    MEASUREMENT_NAMES.map((name) => {
      const { unit, interval, meaning, source }: MeasurementDefinition = MEASUREMENTS[name]
      return [`\`${name}\``, unit, interval ?? "", meaning, source]
    }),
  )
}

function defaultGates(): string {
  const rules = [...rulesOfLimits(DEFAULT_LIMITS), ...BEHAVIOUR_RULES]
  return markdownTable(
    ["measurement", "limit", "held to it", "severity", "gate"],
    rules.map(({ measurement, atLeast, atMost, bound = "value", severity = "block" }) => {
      const { gate = measurement }: MeasurementDefinition = MEASUREMENTS[measurement]
      const limit = `at ${atLeast === undefined ? "most" : "least"} ${inWords(measurement, atLeast ?? atMost!)}`
      const held = { value: "the value", low: "the interval's lower end", high: "the interval's upper end" }[bound]
      return [`\`${measurement}\``, limit, held, severity, `\`${gate}\``]
    }),
  )
}
