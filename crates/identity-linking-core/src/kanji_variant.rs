//! Variants of kanji as they are found in names: forms of one character that people, registers and keyboards put for each other.
//!
//! Two names that differ only in these are near and no more: 高橋 and 髙橋 may be one family or two. Characters that merely sound
//! alike, or merely look alike, are not in one group, nor are names such as 渡辺 and 渡部.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Groups of variants, parted by spaces; the first of each stands for all. No character is in two groups, and none changes under NFKC.
const ROWS: &[&str] = &[
    // Forms that registers, seals and keyboards put for each other in Japanese names.
    "高髙 崎﨑碕嵜 辺邊邉边 斎齋斉齊斋齐 浜濱濵滨 吉𠮷 島嶋嶌嶹岛 柳栁 桑桒 富冨 峰峯 秋秌穐龝 梅楳 松枩柗 橋槗桥",
    "館舘馆 渕淵渊 桧檜 薮藪籔 枡桝 槙槇 凛凜 園薗园 野埜墅 宝寶寳 宮宫 寧甯宁 珍珎 虎乕 草艸 村邨 柏栢 湧涌 澄澂",
    "煙烟 哲喆 叡睿 彬斌 俊儁 傑杰 弦絃 京亰 仙僊 廼迺 回囘 廻迴 函凾 厨廚 厩廐 兎兔 莵菟 壺壷 姉姊 姫姬 妍姸 屏屛",
    "庵菴 彦彥 喜㐂憙 教敎 昂昻 晃晄 映暎 杯盃 栖棲 梁樑 毘毗 冴冱 涼凉 準凖 決决 沖冲 況况 凄淒 濤涛 燈灯 焔焰",
    "熙煕凞 耀燿 皐皋 祢禰 稟禀 箏筝 紘絋 耕畊 船舩 刈苅 荊荆 萌萠 蓑簑 裏裡 諌諫 讃讚 遊游 遥遙 隣鄰邻 雁鴈",
    "鶴靏靎鸖鹤 鴎鷗鸥 鶏鷄雞鸡 鴨鸭 裴裵 綿緜绵 略畧 蘆芦 莱萊 蛎蠣 侠俠 倶俱 顛顚 頬頰 填塡 痩瘦 蝉蟬 蝋蠟 砺礪",
    "祷禱 穣穰 籠篭笼 繋繫 繍繡绣 蒋蔣 醤醬 麹麴 麺麵 鯵鰺 欅﨔榉 亘亙 尭堯尧 巌巖 猪豬 間閒间 舗舖 幡旛 卯夘戼 曹曺",
    "槍鎗 鉤鈎 躬躳 凪凬 朗朖 郎郞 桿杆 塚塜 叙敍敘 鼠鼡 嵩崧 悳徳德 圀国國囯 靭靱 篠筱 竪豎 駆驅駈 勲勳勛勋",
    "剣劍劔劒剱剑 鉱鑛砿礦矿 笛篴 桟棧栈 蛇虵 鬱欝 葱蔥",
    // New and old forms, and the simplified ones where there are such.
    "亜亞亚 悪惡恶 圧壓压 囲圍围 医醫 為爲为 壱壹 隠隱隐 栄榮荣 営營营 衛衞卫 駅驛驿 円圓圆 塩鹽盐 縁緣缘 艶艷艳",
    "応應应 欧歐 殴毆 桜櫻樱 奥奧 横橫 温溫 穏穩稳 仮假 価價价 画畫 会會 絵繪绘 壊壞坏 懐懷怀 概槪 拡擴扩 殻殼壳",
    "覚覺觉 学學 岳嶽 楽樂乐 渇渴 缶罐 巻卷 陥陷 勧勸劝 寛寬宽 関關关 歓歡欢 観觀观 気氣气 既旣 帰歸归 偽僞伪 戯戲戏",
    "犠犧牺 旧舊 拠據据 挙擧舉举 虚虛 峡峽 挟挾 狭狹 郷鄕鄉乡 暁曉晓 区區 薫薰 径徑 茎莖 恵惠 掲揭 渓溪谿 経經经",
    "蛍螢萤 軽輕轻 継繼继 芸藝艺 撃擊击 欠缺 研硏 県縣县 倹儉俭 険險险 圏圈 検檢检 献獻 権權权 顕顯显 験驗验 厳嚴严",
    "広廣广 効效 恒恆 黄黃 号號 黒黑 砕碎 済濟济 剤劑剂 雑雜杂 参參 蚕蠶 惨慘 賛贊赞 残殘 糸絲丝 歯齒齿 児兒儿 辞辭",
    "湿濕 実實实 写寫 釈釋释 寿壽 収收 従從从 渋澁澀涩 獣獸兽 縦縱纵 粛肅肃 処處处 尚尙 奨奬獎奖 焼燒烧 証證证 渉涉",
    "将將 称稱 条條 状狀 乗乘 浄淨净 剰剩 畳疊疉叠 縄繩绳 壌壤 嬢孃 譲讓让 醸釀酿 触觸 嘱囑 真眞 寝寢 慎愼 晋晉",
    "尽盡儘侭 図圖图 粋粹 酔醉 穂穗 随隨 髄髓 枢樞 数數 瀬瀨濑 声聲 静靜 窃竊 摂攝摄 専專专 浅淺 戦戰战 践踐 銭錢钱",
    "潜潛濳 繊纖纤 禅禪 双雙 壮壯 争爭 荘莊庄 捜搜 挿插 巣巢 曽曾 装裝 総總总 騒騷骚 増增 蔵藏 臓臟脏 即卽 属屬",
    "続續续 堕墮 対對对 体體軆 帯帶带 滞滯 台臺 滝瀧 択擇择 沢澤泽 担擔 単單单 胆膽 団團团 断斷 弾彈弹 遅遲迟 痴癡",
    "虫蟲 昼晝 鋳鑄铸 庁廳厅 徴徵 聴聽听 勅敕 鎮鎭镇 逓遞 鉄鐵鐡銕铁 転轉转 点點 伝傳传 当當 党黨 盗盜 稲稻 闘鬪鬥",
    "独獨 読讀读 届屆 弐貳 悩惱恼 脳腦脑 覇霸 拝拜 廃廢废 売賣卖 麦麥 発發发 髪髮 抜拔 蛮蠻 秘祕 瓶甁 払拂 仏佛 併倂",
    "並竝 変變变 弁辨瓣辯 歩步 豊豐丰 褒襃 翻飜 毎每 万萬 満滿满 黙默 弥彌 訳譯译 薬藥药 与與 予豫 余餘馀 誉譽 揺搖",
    "様樣样 謡謠谣 来來 頼賴赖 乱亂 覧覽览 竜龍龙 両兩两 猟獵猎 緑綠绿 涙淚泪 塁壘垒 礼禮 励勵 霊靈灵 齢齡龄 暦曆",
    "歴歷历 恋戀 炉爐 労勞劳 楼樓 録錄录 湾灣 亀龜龟 呉吳吴 娯娛娱 顔顏颜 産產产 悦悅 鋭銳锐 脱脫 税稅 説說说 戸戶户",
    "歳歲岁 聡聰聪 啓啟启 青靑 清淸 瑶瑤 窓窗窻 衆眾众 曠昿旷 禄祿 内內 吕呂 別别 冊册 姗姍 刃刄 絶絕绝 彙彚 没沒",
    "鄭郑 嬰婴 濶闊阔 鉢缽 黽黾 潔洁 呪咒 侯矦 弯彎",
    // Traditional and simplified forms in Chinese names.
    "張张 劉刘 陳陈 楊杨 趙赵 孫孙 馬马 羅罗 謝谢 許许 鄧邓 馮冯 韓韩 蕭萧肖 葉叶 蘇苏 盧卢 鐘鍾钟锺 譚谭 陸陆 賈贾",
    "韋韦 鄒邹 閻阎 賀贺 顧顾 龔龚 湯汤 喬乔 龐庞 聶聂 魯鲁 蘭兰 紀纪 畢毕 塗涂 駱骆 藍蓝 鮑鲍 華华 饒饶 陽阳 時时",
    "農农 繆缪 簡简 車车 項项 連连 婁娄 竇窦 費费 閔闵 鄔邬 師师 欒栾 叢丛 鞏巩 鄺邝 東东 倉仓 偉伟 強强 軍军 麗丽",
    "紅红 鳳凤 鵬鹏 飛飞 銀银 鋼钢 賢贤 順顺 詩诗 語语 誠诚 論论 謙谦 記记 訓训 諾诺 瑩莹 瓊琼 緒绪 紗纱 純纯 約约",
    "綾绫 綺绮 維维 編编 練练 織织 絹绢 結结 統统 愛爱 慶庆 憲宪 義义 聖圣 夢梦 樹树 業业 貴贵 貞贞 輝辉 達达 遠远",
    "進进 運运 長长 門门 雲云 風风 魚鱼 鳥鸟 鳴鸣 鷹鹰 駿骏 鈴铃 錦锦 鏡镜 鋒锋 銘铭 鈞钧 軒轩 輪轮 頌颂 須须 親亲",
    "見见 諒谅 絢绚 嵐岚 嶺岭 岡冈 堅坚 筆笔 篤笃 薩萨 濃浓 灘滩 烏乌 爾尔 環环 蒼苍 興兴 閑闲 養养 揚扬 鍋锅 鉛铅",
    "潤润 漢汉 澗涧 瀾澜 燁烨 煒炜 琺珐 瑋玮 瑪玛 璣玑 禎祯 穎頴颖 穌稣 競竞 紹绍 緯纬 縉缙 羣群 罷罢 聯联 膚肤 蓮莲",
    "薔蔷 藹蔼 裊袅 詠咏 誼谊 諭谕 讜谠 財财 貢贡 賓宾 贇赟 躍跃 轅辕 載载 適适 遜逊 鄲郸 釗钊 鈺钰 銓铨 鍵键 鑾銮",
    "閃闪 閣阁 陣阵 際际 雋隽 霧雾 韻韵 頂顶 願愿 飄飘 騰腾 驍骁 鶯莺 鸞鸾",
];

static REPRESENTATIVES: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let of_group = |group: &'static str| {
        let first = group.chars().next();
        group.chars().skip(1).filter_map(move |variant| first.map(|first| (variant, first)))
    };
    groups().flat_map(of_group).collect()
});

/// Each group.
fn groups() -> impl Iterator<Item = &'static str> {
    ROWS.iter().flat_map(|row| row.split(' '))
}

/// The character that stands for all variants of this one; itself where none is known.
pub(crate) fn representative(c: char) -> char {
    REPRESENTATIVES.get(&c).copied().unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use unicode_normalization::UnicodeNormalization;

    #[test]
    fn no_character_is_in_two_groups_and_every_group_has_two() {
        let mut seen = HashSet::new();
        for group in groups() {
            assert!(group.chars().count() > 1, "{group}");
            assert!(group.chars().all(|c| seen.insert(c)), "{group}");
        }
        assert!(groups().count() >= 250);
    }

    #[test]
    fn every_character_is_a_kanji_that_nfkc_leaves_as_it_is() {
        for c in groups().flat_map(|group| group.chars()) {
            assert_eq!(c.nfkc().collect::<String>(), c.to_string());
            assert!(matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{FA0E}'..='\u{FA29}' | '\u{20000}'..='\u{3FFFF}'), "{c}");
        }
    }

    #[test]
    fn a_representative_stands_for_itself() {
        for c in groups().flat_map(|group| group.chars()) {
            assert_eq!(representative(representative(c)), representative(c), "{c}");
        }
    }

    #[test]
    fn the_variants_of_common_names_are_one() {
        for (one, other) in [
            ("髙橋", "高橋"),
            ("山﨑", "山崎"),
            ("渡邊", "渡辺"),
            ("渡邉", "渡辺"),
            ("齋藤", "斉藤"),
            ("齊藤", "斎藤"),
            ("濵田", "浜田"),
            ("大嶋", "大島"),
            ("瀧澤", "滝沢"),
            ("𠮷田", "吉田"),
            ("廣瀨", "広瀬"),
            ("國眞", "国真"),
            ("張偉", "张伟"),
        ] {
            let folded = |name: &str| name.chars().map(representative).collect::<String>();
            assert_eq!(folded(one), folded(other));
        }
    }

    #[test]
    fn other_names_that_sound_alike_stay_apart() {
        for (one, other) in [('辺', '部'), ('阪', '坂'), ('伊', '井'), ('河', '川'), ('太', '大'), ('畑', '畠')]
        {
            assert_ne!(representative(one), representative(other), "{one} {other}");
        }
    }
}
