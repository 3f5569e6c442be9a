// `yohaku judge` with the suite calibration.
import { afterAll, expect, test } from "vitest"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const pairs = (right: number) =>
  Array.from({ length: 20 }, (_, index) => ({
    votes: [1, 1],
    judged: index < right ? [0.9, 0.8] : [0.2, 0.9],
    len: [10, 20 + index],
  }))
const good = workspace.write("good.json", JSON.stringify({ judge: "good", pairs: pairs(20) }))
const poor = workspace.write("poor.json", JSON.stringify({ judge: "poor", pairs: pairs(10) }))
const SUITE = ["--suite", "calibration", "--bootstrap", "50"]

test("a judge that goes with people is accepted, one that goes by the place is refused, with all that was measured", async () => {
  const { code, result, told } = await runYohakuJson("judge", good, poor, ...SUITE)
  expect(code).toBe(1)
  expect(told).toMatch(/1 of 2 judges are below the bar$/)
  expect(result.good).toMatchObject({ accepted: true, agreement: 1, flips: 0, peopleAgreement: 1, interval: [1, 1] })
  expect(result.poor).toMatchObject({ accepted: false, agreement: 0.75, flips: 0.5, pairs: 20, votes: 40 })
  expect(result.poor.longer).toEqual({ judge: 0.75, people: 1, pairs: 20 })
  expect(told).toMatch(/^warning: poor: the judge goes with people at 75\.0 %, and they with each other at 100\.0 %/)
})

test("the bar may be moved, and a table is for people", async () => {
  const { code, printed, told } = await runYohaku("judge", poor, ...SUITE, "--margin", "0.3")
  expect([code, told]).toEqual([0, ""])
  expect(printed.split("\n")[1]).toMatch(
    /^poor +accepted +75\.0 +\d+\.\d to \d+\.\d +100\.0 +0\.\d\d +50\.0 +\d+\.\d +75\.0 \(people 100\.0\)$/,
  )
  expect((await runYohaku("judge", poor, ...SUITE, "--margin", "2")).told).toMatch(
    /--margin 2: give a share from 0 to 1/,
  )
})
