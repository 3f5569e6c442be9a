// Every command that a page shows is known here, exists, and takes the options that the page gives it.
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, test } from "vitest"
import { runYohaku } from "#test/gpu-runner/support/run-yohaku.ts"
import { commandBlocks, documentedPages, LANES, repositoryRoot } from "./documented-commands.ts"

test.each(documentedPages)("each block of commands in %s is run by a test, or says why not", (page) => {
  const blocks = commandBlocks(page).map(({ script }) => script.split("\n")[0])
  const lanes = LANES[page] ?? []
  expect(blocks).toHaveLength(lanes.length)
  for (const [index, [begins]] of lanes.entries()) expect(blocks[index]!.slice(0, begins.length)).toBe(begins)
})

/** Commands in a block or between backquotes, with the lines that `\` continues joined. */
const commandsOf = (page: string): readonly string[] => {
  const text = readFileSync(path.join(repositoryRoot, page), "utf8").replaceAll("\\\n", " ")
  const inline = [...text.matchAll(/`((?:npx |npm |node )[^`\n]+)`/g)].map(([, command]) => command!)
  const lines = commandBlocks(page).flatMap(({ script }) => script.replaceAll("\\\n", " ").split("\n"))
  return [...inline, ...lines.map((line) => line.replace(/ #.*/, "").trim())].flatMap((line) => line.split(" && "))
}

const all = documentedPages.flatMap(commandsOf)

const matches = (pattern: RegExp): readonly (readonly string[])[] =>
  all.flatMap((command) => {
    const match = pattern.exec(command)
    return match === null ? [] : [[command, ...match.slice(1)]]
  })

const { scripts } = JSON.parse(readFileSync(path.join(repositoryRoot, "package.json"), "utf8")) as {
  readonly scripts: Readonly<Record<string, string>>
}

describe("a documented command", () => {
  test("that is TypeScript runs on the project's Node, whichever Node the machine has", () => {
    expect(all.filter((command) => /(?<!npx )\bnode \S+\.ts/.test(command))).toEqual([])
    const files = matches(/\bnpx node (\S+)/).map(([, file]) => file!)
    expect(files.length).toBeGreaterThan(5)
    const writtenByPages = matches(/\bcat > (\S+)/).map(([, file]) => file!)
    const exists = (file: string) => existsSync(path.join(repositoryRoot, file)) || writtenByPages.includes(file)
    expect(files.filter((file) => !exists(file))).toEqual([])
  })

  test("of npm is a script of package.json", () => {
    const names = matches(/\bnpm (?:run )?([\w:]+)/).map(([, name]) => name!)
    expect([...new Set(names)].filter((name) => name !== "install" && !Object.hasOwn(scripts, name))).toEqual([])
  })
})

const yohakuCommands = matches(/\bnpx yohaku (\w+(?: (?:pull|list|push|check|matmul|attention|head|step|pair))?)(.*)$/)

test.each([...new Set(yohakuCommands.map(([, name]) => name!))])(
  "yohaku %s has every option that a page shows",
  async (name) => {
    const { code, printed } = await runYohaku(...name.split(" "), "--help")
    expect(code).toBe(0)
    const options = yohakuCommands
      .filter(([, other]) => other === name)
      .flatMap(([, , rest]) => [...rest!.matchAll(/ (--[a-z][a-z-]*)/g)].map(([, option]) => option!))
    const known = new Set(printed.match(/--[a-z][a-z-]*/g) ?? [])
    expect(
      [...new Set(options)].filter((option) => !known.has(option) && !["--help", "--json"].includes(option)),
    ).toEqual([])
  },
)
