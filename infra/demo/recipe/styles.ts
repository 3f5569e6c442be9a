// The parts an answer can have beside its content, and what each setting thinks of them. Every part suits every setting
// grammatically, and its wording never depends on the setting: only people's preference does.
import type { Language, Setting } from "./topics.ts"

/** In the order in which they stand in an answer; "core" is the content. */
export const PART_ORDER = [
  "acknowledgement",
  "precaution",
  "core",
  "measure",
  "record",
  "background",
  "owner",
  "citation",
  "next-step",
  "courtesy",
] as const
export type StylePart = Exclude<(typeof PART_ORDER)[number], "core">

/** Liked by one setting, disliked by the two others. Long background is the reverse: only internal documents dislike it. */
export const HOME_SETTING: Readonly<Record<StylePart, Setting>> = {
  acknowledgement: "customer-support",
  "next-step": "customer-support",
  courtesy: "customer-support",
  precaution: "manufacturing",
  measure: "manufacturing",
  record: "manufacturing",
  owner: "internal-documents",
  citation: "internal-documents",
  background: "internal-documents",
}

/** What one part adds to an answer's worth in a setting. For every part the three settings' values sum to 0. */
export function partWorth(part: StylePart, setting: Setting): number {
  const isHome = HOME_SETTING[part] === setting
  const sign = part === "background" ? -1 : 1
  return sign * (isHome ? 2 : -1)
}

/** The rule that the labellers follow before they err: the sum over an answer's parts. */
export function answerWorth(parts: ReadonlySet<StylePart>, setting: Setting): number {
  let worth = 0
  for (const part of parts) worth += partWorth(part, setting)
  return worth
}

export const WORDINGS: Readonly<Record<Language, Readonly<Record<StylePart, readonly string[]>>>> = {
  en: {
    acknowledgement: [
      "I am sorry about the trouble.",
      "I am sorry, I understand the worry.",
      "I understand that this is frustrating.",
      "I am sorry that this upsets you.",
    ],
    precaution: [
      "First stop and lock out the power.",
      "Safety first: stop, lock and tag.",
      "Safety first: power off and gloves on.",
      "First stop and put on gloves for safety.",
    ],
    measure: [
      "Keep to {value} {unit} ± {tolerance} {unit}.",
      "Target {value} {unit}, tolerance ± {tolerance} {unit}.",
      "Measure {value} {unit} ± {tolerance} {unit}.",
    ],
    record: [
      "Record the result on check sheet {code}.",
      "Sign check sheet {code} and record it.",
      "Record this on sheet {code} and sign.",
    ],
    background: [
      "In general there are many reasons and every case is a little different.",
      "As general background, this has come up many times in every kind of case.",
      "In general such things depend on the background of every case.",
    ],
    owner: ["Owner: {name}, due {date}.", "{name} is the owner, deadline {date}.", "Owner {name}, deadline {date}."],
    citation: [
      "Source: document {code}, section {count}.",
      "See document {code}, section {count}.",
      "From document {code}, page {count}.",
    ],
    "next-step": [
      "Next step: reply to us with code {code} today.",
      "Next step: open the link with code {code} today.",
      "Your next step today: call us with code {code}.",
    ],
    courtesy: [
      "Thank you very much for your patience.",
      "Thank you, please contact us at any time.",
      "Please contact us any time, thank you.",
    ],
  },
  ja: {
    acknowledgement: [
      "ご不便をおかけして申し訳ございません。",
      "ご心配をおかけし、おわびします。",
      "ご不安なお気持ちはよく分かります。申し訳ございません。",
      "お困りのこと、心よりおわびします。",
    ],
    precaution: [
      "安全第一、まず停止して電源を施錠します。",
      "まず電源を切り、手袋を着けます。",
      "まず停止し、安全札を掛けます。",
      "安全のため、まず停止して手袋を着けます。",
    ],
    measure: [
      "基準は{value} {unit} ± {tolerance} {unit}です。",
      "目標{value} {unit}、公差 ± {tolerance} {unit}。",
      "測定値は{value} {unit} ± {tolerance} {unit}に保ちます。",
    ],
    record: [
      "結果を点検表{code}に記録します。",
      "点検表{code}に署名し、記録します。",
      "これを点検表{code}に記録し、署名します。",
    ],
    background: [
      "一般に、このようなことには多くの理由があり、場合によって少しずつ異なります。",
      "背景として、一般に同じことは何度もあり、そのたびに長く議論されてきました。",
      "一般に、こうしたことは多くの細かい事情によるという背景があります。",
    ],
    owner: ["担当：{name}、期限：{date}。", "担当者は{name}、期限は{date}です。", "{name}が担当し、期限は{date}です。"],
    citation: [
      "出典：文書{code}、第{count}節。",
      "文書{code}の第{count}節を参照。",
      "文書{code}、{count}ページを参照。",
    ],
    "next-step": [
      "次に、番号{code}を本日ご返信ください。",
      "次の手順として、リンクを開き番号{code}をご入力ください。",
      "次に本日、番号{code}を添えてお電話ください。",
    ],
    courtesy: [
      "お待ちいただき、誠にありがとうございます。",
      "いつでもご連絡ください。ありがとうございます。",
      "今後ともどうぞよろしくお願いいたします。ありがとうございます。",
    ],
  },
}
