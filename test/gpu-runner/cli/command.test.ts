import { describe, expect, it } from "vitest"
import { defineCommand, parseCommand, shellLine, UsageError } from "#gpu-runner/cli/command.ts"
import { gatewayKey, gatewayUrl } from "#gpu-runner/cli/gateway-access.ts"
import { choiceOf, flag, requiredText, text } from "#gpu-runner/cli/options.ts"

const command = defineCommand({
  name: "weigh",
  summary: "Weighs.",
  words: ["what"],
  options: { model: requiredText("DIR", "the model"), unit: text("NAME", "the unit"), exact: flag("to the gram") },
  run: async () => undefined,
})
const parse = (...argv: readonly string[]) => parseCommand(command as never, argv)

describe("a command's arguments", () => {
  it("are its words and options; a flag that is not given is false, an option undefined", () => {
    expect(parse("bread", "--model", "m", "--json")).toEqual({
      values: { what: "bread", model: "m", json: true, exact: false, verbose: false, help: false },
      wantsHelp: false,
    })
    expect(parse("--model", "m").values.unit).toBeUndefined()
  })

  it.each([
    [["--modle", "m"], "Unknown option '--modle'"],
    [["--model"], "Option '--model <value>' argument missing"],
    [["--unit", "g"], "--model is missing"],
    [["--model", "m", "--unit", ""], "--unit is empty"],
    [["bread", "butter", "--model", "m"], '"butter" is one word too many'],
  ])("%j are a UsageError", (argv, message) => {
    const attempt = () => parse(...argv)
    expect(attempt).toThrow(UsageError)
    expect(attempt).toThrow(message)
  })

  it("may lack what is required where help is wanted", () => {
    expect(parse("--help").wantsHelp).toBe(true)
    expect(parse("-h").wantsHelp).toBe(true)
  })
})

describe("an option that may be given again", () => {
  const repeating = defineCommand({
    name: "mix",
    summary: "Mixes.",
    options: {
      of: { ...requiredText("FILE", "what"), multiple: true, takesWords: true },
      unit: text("NAME", "the unit"),
    },
    run: async () => undefined,
  })
  const valuesOf = (...argv: readonly string[]) => parseCommand(repeating as never, argv).values

  it("is a list, and takes the words that stand alone", () => {
    expect(valuesOf("--of", "a", "--of", "b", "--unit", "g")).toMatchObject({ of: ["a", "b"], unit: "g" })
    expect(valuesOf("--of", "a", "b", "c")).toMatchObject({ of: ["a", "b", "c"] })
    expect(valuesOf("a", "b")).toMatchObject({ of: ["a", "b"] })
  })

  it("takes no words where it is not told to", () => {
    const { of } = repeating.options
    const wordless = { ...repeating, options: { of: { ...of, takesWords: false } } }
    expect(() => parseCommand(wordless as never, ["--of", "a", "b"])).toThrow(/^Unexpected argument 'b'/)
    expect(parseCommand(wordless as never, ["--of", "a", "--of", "b"]).values).toMatchObject({ of: ["a", "b"] })
  })

  it("is missing or empty like any other", () => {
    expect(() => valuesOf("--unit", "g")).toThrow(new UsageError("--of is missing"))
    expect(() => valuesOf("--of", "a", "")).toThrow(new UsageError("--of is empty"))
  })
})

describe("values of options", () => {
  it("that must be one of several are these or a UsageError that names them", () => {
    const unitOf = (written: string | undefined) => choiceOf("unit", written, ["g", "kg"], "g or kg")
    expect([unitOf("kg"), unitOf(undefined)]).toEqual(["kg", undefined])
    expect(() => unitOf("lb")).toThrow(new UsageError("--unit lb is unknown; use g or kg"))
  })

  it("--url is an http address, its slashes at the end taken off", () => {
    expect(gatewayUrl("https://yohaku.example.com//")).toBe("https://yohaku.example.com")
    for (const written of ["yohaku.example.com", "ftp://yohaku.example.com", ""]) {
      expect(() => gatewayUrl(written)).toThrow(UsageError)
    }
  })

  it("a key comes from the environment, never from the command line", () => {
    expect(() => gatewayKey("YOHAKU_NO_SUCH_TOKEN", "ingest")).toThrow(
      new UsageError("YOHAKU_NO_SUCH_TOKEN is not set; put an API key with the scope `ingest` there"),
    )
  })

  it("are quoted where a shell would read them otherwise", () => {
    expect(shellLine(["yohaku", "train", "--data", "a b.jsonl", "--out", "it's", "--model", "owner/name"])).toBe(
      "yohaku train --data 'a b.jsonl' --out 'it'\\''s' --model owner/name",
    )
  })
})
