// What is a port, as `yohaku up` and `npm start` read it.
import fc from "fast-check"
import { expect, test } from "vitest"
import { portOf } from "#gpu-runner/cli/options.ts"
import { runYohaku } from "../support/run-yohaku.ts"

test.each(["1e3", "0x50", " 80", "80 ", "-1", "+80", "0", "08080", "65536", "8080.0", "NaN", "８０"])(
  "--port %j is bad usage, before anything is started",
  async (port) => {
    expect(await runYohaku("up", "--port", port)).toEqual({
      code: 2,
      printed: "",
      told: `yohaku up: --port ${JSON.stringify(port)}: give a whole number from 1 to 65535 (yohaku up --help)`,
    })
  },
)

test("the decimal numbers from 1 to 65535 are ports, and no other text is", () => {
  const ports = new Set(Array.from({ length: 65_535 }, (_, index) => `${index + 1}`))
  for (const written of ports) expect(portOf(written)).toBe(Number(written))
  const almost = fc.array(fc.constantFrom(..."0123456789 -+.ex_"), { maxLength: 6 }).map((signs) => signs.join(""))
  fc.assert(
    fc.property(fc.oneof(almost, fc.string(), fc.integer().map(String)), (written) => {
      if (ports.has(written)) expect(portOf(written)).toBe(Number(written))
      else expect(() => portOf(written)).toThrow("give a whole number from 1 to 65535")
    }),
    { numRuns: 2000 },
  )
})
