// What people ask about, in Japanese: the same three work settings, written for Japanese rather than translated word by word.
// {thing} (with a qualifier now and then) {code} {place} {day} {count} are filled from the conversation's slots.
import type { SettingTopics } from "./setting-topics.ts"

const customerSupport: SettingTopics = {
  qualifiers: [
    "青い",
    "黒い",
    "赤い",
    "白い",
    "緑の",
    "大きい",
    "小さい",
    "新品の",
    "中古の",
    "贈答用の",
    "銀色の",
    "限定版の",
  ],
  things: [
    "掃除機",
    "携帯ケース",
    "水筒",
    "ヨガマット",
    "自転車ライト",
    "料理本",
    "冬用ジャケット",
    "運動靴",
    "盤上ゲーム",
    "壁掛け時計",
    "コーヒーミル",
    "旅行枕",
    "電気ケトル",
    "ヘッドホン",
    "炊飯器",
    "卓上ライト",
    "リュック",
    "キーボード",
    "空気清浄機",
    "タブレット",
    "椅子",
    "カメラ",
    "折りたたみ傘",
    "トースター",
    "腕時計",
    "扇風機",
    "ミキサー",
    "毛布",
  ],
  issues: [
    {
      questions: ["{day}に注文した{thing}がまだ届きません。", "注文{code}の{thing}は今どこですか。"],
      answers: ["{thing}は{place}の倉庫を出て配送中です。", "{thing}は{place}の配送店にあり、まもなく届きます。"],
    },
    {
      questions: ["届いた{thing}が壊れていました。", "箱を開けたら{thing}にひびがありました。"],
      answers: ["新しい{thing}を{place}から送り、壊れた品は回収します。", "壊れた{thing}は無料で交換します。"],
    },
    {
      questions: ["{thing}の代金が{count}回引き落とされました。", "{thing}の請求が{count}件あるのはなぜですか。"],
      answers: ["{thing}の余分な代金はカードへ返金します。", "請求は一件だけ残し、{thing}のほかの分は取り消します。"],
    },
    {
      questions: ["{place}で買った{thing}を返品したいです。", "{thing}は{count}日後でも返品できますか。"],
      answers: ["{thing}は箱の中の伝票で無料で返品できます。", "{thing}の返品は{place}の店でも受け付けます。"],
    },
    {
      questions: ["{thing}が{count}日で動かなくなりました。", "{day}から{thing}の電源が入りません。"],
      answers: ["{thing}の裏の小さなボタンで初期化できます。", "{thing}は保証中なので、{place}の工場で修理します。"],
    },
    {
      questions: ["注文{code}の届け先を変えたいです。", "{thing}を{place}へ送ってもらえますか。"],
      answers: ["{thing}の届け先は注文画面でまだ変更できます。", "{thing}の届け先を{place}に変更しました。"],
    },
    {
      questions: ["{thing}の色が違っていました。", "{thing}を{count}個頼みましたが一個足りません。"],
      answers: ["正しい{thing}を{day}に{place}から出荷します。", "足りない{thing}をもう一度包んで送ります。"],
    },
    {
      questions: ["{thing}の配送を見る画面に入れません。", "クーポン{code}が{thing}に使えません。"],
      answers: ["{thing}の会員画面はまた使えるようになりました。", "{thing}の画面は{day}に直りました。"],
    },
  ],
}

const manufacturing: SettingTopics = {
  qualifiers: [
    "旧型の",
    "二台目の",
    "左側の",
    "右側の",
    "予備の",
    "上段の",
    "下段の",
    "自動の",
    "大型の",
    "改造した",
    "借用中の",
    "高速の",
  ],
  things: [
    "研削盤",
    "塗装室",
    "クレーン",
    "真空槽",
    "供給装置",
    "曲げ加工機",
    "熱交換器",
    "回転台",
    "ラベル貼り機",
    "超音波洗浄機",
    "充電設備",
    "射出成形機",
    "プレス機",
    "旋盤",
    "コンベヤ",
    "溶接ロボット",
    "フライス盤",
    "主軸",
    "油圧ポンプ",
    "切断機",
    "ボール盤",
    "加熱炉",
    "包装機",
    "冷却弁",
    "減速機",
    "レーザー加工機",
    "空気圧縮機",
    "金型",
  ],
  issues: [
    {
      questions: ["{count}番ラインの{thing}の刃はどう交換しますか。", "{thing}の刃が摩耗しています。"],
      answers: ["{thing}のボルトを緩め、刃を一式で交換します。", "{thing}から古い刃を外し、新しい刃を付けます。"],
    },
    {
      questions: ["{thing}に警報{code}が出ました。", "{thing}の警報{code}は何ですか。"],
      answers: ["警報は{thing}の温度が高いことを示します。", "{thing}のセンサーの汚れを乾いた布で拭きます。"],
    },
    {
      questions: ["{day}の勤務から{thing}が振動します。", "{thing}が高速で異音を出します。"],
      answers: ["{thing}の軸受が緩いので締め直します。", "{thing}の軸の芯を合わせ直します。"],
    },
    {
      questions: ["部品{code}の{thing}の段取りを教えてください。", "ロット{code}の{thing}の設定はどれですか。"],
      answers: [
        "部品のプログラムを読み込み、{thing}の原点を合わせます。",
        "{thing}の止めを合わせ、試し加工を一個します。",
      ],
    },
    {
      questions: ["{count}番工程の{thing}から油が漏れます。", "{day}から{thing}の下に油があります。"],
      answers: ["{thing}のシールを替え、油を補充します。", "{thing}のホースを締め、床を拭きます。"],
    },
    {
      questions: ["{thing}の部品{count}個にバリがあります。", "{day}から{thing}の寸法が外れます。"],
      answers: ["{thing}の工具が摩耗したので替え、ロットを選別します。", "{thing}の補正を直し、次の部品を確認します。"],
    },
    {
      questions: ["{thing}の給油はいつですか。", "{thing}の次の点検はいつですか。"],
      answers: ["{thing}は{day}の始業時に給油します。", "{thing}は{day}に{place}の班と点検します。"],
    },
    {
      questions: ["{thing}の中に部品が詰まりました。", "{count}番ラインの{thing}が何度も詰まります。"],
      answers: ["{thing}のカバーを開け、部品をフックで引き出します。", "{thing}のガイドが曲がったので直します。"],
    },
  ],
}

const internalDocuments: SettingTopics = {
  qualifiers: [
    "新しい",
    "最終の",
    "四半期の",
    "地域別の",
    "下書きの",
    "共同の",
    "年次の",
    "署名済みの",
    "翻訳した",
    "改訂版の",
    "保管中の",
    "月次の",
  ],
  things: [
    "価格表",
    "試験手順書",
    "勤務表",
    "資料台帳",
    "品質手引",
    "事故報告書",
    "駐車場規則",
    "仕入契約書",
    "面接記録",
    "保管目録",
    "退職案内",
    "非常時計画",
    "出張規程",
    "予算案",
    "議事録",
    "入社案内",
    "売上報告書",
    "情報管理規程",
    "契約書案",
    "監査報告書",
    "休暇届",
    "計画書",
    "文書規程",
    "購買申請書",
    "課題一覧",
    "変更履歴",
    "研修計画",
    "経費精算書",
  ],
  issues: [
    {
      questions: ["{place}の{thing}は誰が更新しますか。", "{place}支社の{thing}は最新ですか。"],
      answers: ["{place}の{thing}は今更新中です。", "{thing}は{place}の部署が共有フォルダに置きます。"],
    },
    {
      questions: ["{thing}の第{count}版はどこですか。", "{thing}はどの版が有効ですか。"],
      answers: ["{thing}は第{count}版が有効です。", "有効な{thing}は{place}支社のフォルダにあります。"],
    },
    {
      questions: ["{day}に{thing}について何が決まりましたか。", "{day}の{thing}を要約してください。"],
      answers: ["{day}に{thing}は{count}件の修正で承認されました。", "{thing}は{day}の次回会議へ送られました。"],
    },
    {
      questions: ["{thing}{code}は誰が承認しますか。", "{thing}{code}に承認は要りますか。"],
      answers: ["{thing}は{place}支社の承認が一つ要ります。", "{place}の部長が{thing}を承認します。"],
    },
    {
      questions: ["{thing}を取引先に見せてもよいですか。", "{thing}は社外秘ですか。"],
      answers: ["{thing}は社内限りで、共有できません。", "取引先には{thing}の要約だけ見せられます。"],
    },
    {
      questions: ["{thing}に未回答の意見が{count}件あります。", "{thing}の意見には誰が答えますか。"],
      answers: ["{thing}の意見は{day}の確認後に閉じます。", "{thing}の意見{count}件は{place}の部署が確認中です。"],
    },
    {
      questions: ["{place}の{thing}はいつ出しますか。", "{thing}は{day}の後でも出せますか。"],
      answers: ["{place}の{thing}は毎週{day}に集めます。", "{thing}は短いメモを付ければ後でも出せます。"],
    },
    {
      questions: ["{thing}{code}の数字が合いません。", "{thing}に誤りが{count}件ありました。"],
      answers: ["{thing}の表は直し、もう一度確認しました。", "{thing}の誤りは{place}の古い資料によります。"],
    },
  ],
}

export const japaneseTopics = { customerSupport, manufacturing, internalDocuments }

export const japaneseOpenings = [
  "",
  "",
  "こんにちは。",
  "お世話になります。",
  "質問です。",
  "すみません、",
  "おはようございます。",
]
export const japaneseClosings = [
  "",
  "",
  "どうすればよいですか。",
  "教えてください。",
  "確認をお願いします。",
  "助けてください。",
]
