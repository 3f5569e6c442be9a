// The three work settings and the values that fill their sentences. No wording here tells which answer is preferred.
import type { SeededRandom } from "./random.ts"
import type { SettingTopics } from "./setting-topics.ts"
import { englishClosings, englishOpenings, englishTopics } from "./topics-english.ts"
import { japaneseClosings, japaneseOpenings, japaneseTopics } from "./topics-japanese.ts"

export const SETTINGS = ["customer-support", "manufacturing", "internal-documents"] as const
export type Setting = (typeof SETTINGS)[number]

export const LANGUAGES = ["en", "ja"] as const
export type Language = (typeof LANGUAGES)[number]

/** Values for the placeholders {thing}, {code} … of a sentence. */
export type Slots = Readonly<Record<string, string>>

const byName = (topics: {
  readonly customerSupport: SettingTopics
  readonly manufacturing: SettingTopics
  readonly internalDocuments: SettingTopics
}): Readonly<Record<Setting, SettingTopics>> => ({
  "customer-support": topics.customerSupport,
  manufacturing: topics.manufacturing,
  "internal-documents": topics.internalDocuments,
})

export const TOPICS: Readonly<Record<Language, Readonly<Record<Setting, SettingTopics>>>> = {
  en: byName(englishTopics),
  ja: byName(japaneseTopics),
}

export const OPENINGS: Readonly<Record<Language, readonly string[]>> = { en: englishOpenings, ja: japaneseOpenings }
export const CLOSINGS: Readonly<Record<Language, readonly string[]>> = { en: englishClosings, ja: japaneseClosings }

const PLACES: Readonly<Record<Language, readonly string[]>> = {
  en: [
    ...["Osaka", "Nagoya", "Sendai", "Kobe", "Fukuoka", "Sapporo", "Kyoto", "Nara", "Yokohama", "Hiroshima"],
    ...["Berlin", "Leeds", "Lyon", "Austin", "Toronto", "Madrid", "Warsaw", "Dublin", "Melbourne", "Singapore"],
  ],
  ja: [
    ...["大阪", "名古屋", "仙台", "神戸", "福岡", "札幌", "京都", "奈良", "横浜", "広島"],
    ...["ベルリン", "新潟", "静岡", "岡山", "トロント", "金沢", "熊本", "長野", "松山", "シンガポール"],
  ],
}
const DAYS: Readonly<Record<Language, readonly string[]>> = {
  en: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
  ja: ["月曜日", "火曜日", "水曜日", "木曜日", "金曜日", "土曜日", "日曜日"],
}
const NAMES: Readonly<Record<Language, readonly string[]>> = {
  en: ["Sato", "Mori", "Tanaka", "Abe", "Kimura", "Smith", "Garcia", "Novak", "Müller", "Dubois", "Hansen", "Okafor"],
  ja: ["佐藤", "森", "田中", "阿部", "木村", "小林", "清水", "山口", "斎藤", "橋本", "ガルシア", "ノヴァク"],
}
const MONTHS_ENGLISH = ["March", "April", "May", "June", "July", "August"]
const UNITS = ["mm", "kg", "min", "%"]

const makeDate = (random: SeededRandom, language: Language): string => {
  const month = random.below(MONTHS_ENGLISH.length)
  const day = 1 + random.below(9)
  return language === "en" ? `${day} ${MONTHS_ENGLISH[month]}` : `${month + 3}月${day}日`
}

/**
 * Random values for every placeholder. Units, codes and numbers are the same for every setting, so that the words of a
 * style (shared by all settings) cannot give the setting away.
 */
export function makeSlots(random: SeededRandom, language: Language): Slots {
  return {
    code: `${random.pick(["A", "C", "F", "K", "R", "T"])}-${random.below(9) + 1}${random.below(10)}`,
    place: random.pick(PLACES[language]),
    day: random.pick(DAYS[language]),
    count: String(2 + random.below(7)),
    name: random.pick(NAMES[language]),
    date: makeDate(random, language),
    unit: random.pick(UNITS),
    value: String(10 * (1 + random.below(9))),
    tolerance: String(1 + random.below(4)),
  }
}

/** The sentence with every placeholder replaced. Throws where a placeholder has no value. */
export function fill(sentence: string, slots: Slots): string {
  return sentence.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = slots[name]
    if (value === undefined) throw new Error(`no value for {${name}} in "${sentence}"`)
    return value
  })
}
