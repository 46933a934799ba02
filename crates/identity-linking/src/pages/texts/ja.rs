//! Japanese.

use super::{FieldTexts, FormTexts, NoticeTexts, Texts};

pub(super) const TEXTS: Texts = Texts {
    lang: "ja",
    other_lang: "en",
    other_name: "English",
    inquiry: FormTexts {
        heading: "お問い合わせ",
        lead: "お店にメッセージを送ります。お返事はLINEのトークに届きます。",
        button: "LINEで確認して送信する",
        purpose: "ご入力いただいた内容は、お問い合わせへのお返事と、お店のお客様情報をこのLINEアカウントと連携するために使います。",
    },
    link: FormTexts {
        heading: "お客様情報の連携",
        lead: "お店のお客様情報とLINEを連携すると、ご予約の確認やお知らせをLINEで受け取れます。",
        button: "LINEで確認して連携する",
        purpose: "ご入力いただいた内容は、お店のお客様情報をこのLINEアカウントと連携するために使います。",
    },
    staff: FormTexts {
        heading: "スタッフ登録",
        lead: "管理者から受け取った招待コードを入力すると、お店のお知らせがこのLINEのトークに届きます。",
        button: "LINEで確認して登録する",
        purpose: "招待コードは、お店のスタッフ情報をこのLINEアカウントと結び付けるために使います。",
    },
    family: FieldTexts {
        label: "姓",
        hint: "",
        missing: "姓を入力してください。",
        too_long: "姓は100文字までで入力してください。",
        unfit: "姓に使えない文字が含まれています。",
    },
    given: FieldTexts {
        label: "名",
        hint: "お名前が一つだけの方は、空欄にしてください。",
        missing: "",
        too_long: "名は100文字までで入力してください。",
        unfit: "名に使えない文字が含まれています。",
    },
    mobile: FieldTexts {
        label: "携帯電話番号",
        hint: "お店に伝えている番号をご入力ください。ハイフンはなくてもかまいません。",
        missing: "携帯電話番号を入力してください。",
        too_long: "携帯電話番号が長すぎます。番号をご確認ください。",
        unfit: "携帯電話番号を正しく入力してください。固定電話の番号は使えません。",
    },
    text: FieldTexts {
        label: "お問い合わせ内容",
        hint: "1,000文字まで入力できます。",
        missing: "お問い合わせ内容を入力してください。",
        too_long: "お問い合わせ内容は1,000文字までで入力してください。",
        unfit: "お問い合わせ内容に使えない文字が含まれています。",
    },
    code: FieldTexts {
        label: "招待コード",
        hint: "英数字16文字です。ハイフンはなくてもかまいません。",
        missing: "招待コードを入力してください。",
        too_long: "招待コードが長すぎます。コードをご確認ください。",
        unfit: "この招待コードは使えません。コードを確かめるか、管理者に新しいコードを依頼してください。",
    },
    required: "とくに案内のない項目は、すべてご入力ください。",
    summary: "入力内容をご確認ください",
    title_wrong: "エラー: ",
    about: "お送りいただく前に",
    unlinking: "連携は、LINEのトークからいつでも解除できます。",
    unbinding: "登録は、管理者がいつでも解除できます。",
    confirming: "ボタンを押すとLINEの確認画面が開きます。LINEで確認していただくまで、連携は行われません。",
    away_kept: "ただいま混み合っていて受け付けられませんでした。ご入力の内容は残っています。少し待ってから、もう一度ボタンを押してください。",
    too_many_kept: "短い時間に何度も送信されたため、受け付けられませんでした。ご入力の内容は残っています。しばらく待ってから、もう一度ボタンを押してください。",
    returned: "お書きになった内容",
    returned_hint: "送信されていません。ここからコピーして、もう一度お使いいただけます。",
    taken: NoticeTexts {
        heading: "お問い合わせをお届けしました",
        text: "お店に届いています。送信された方をLINEで確認できなかった場合は、お返事がLINEのトークに届かないことがあります。",
    },
    gone: NoticeTexts {
        heading: "このページはご利用いただけません",
        text: "有効期限が切れたか、すでに送信済みです。LINEのトークに戻り、メニューからもう一度お開きください。",
    },
    too_many: NoticeTexts {
        heading: "しばらくお待ちください",
        text: "短い時間に何度も開かれたため、ページを表示できません。しばらく待ってから、もう一度お開きください。",
    },
    away: NoticeTexts {
        heading: "ただいまご利用いただけません",
        text: "一時的に混み合っています。少し待ってから、もう一度お開きください。",
    },
    not_ours: NoticeTexts {
        heading: "送信を受け付けられませんでした",
        text: "LINEのトークに戻り、ページをもう一度お開きください。ブラウザでCookieを使わない設定にしている場合は、使えるように変更してください。",
    },
    too_large: NoticeTexts {
        heading: "内容が長すぎます",
        text: "前のページに戻り、内容を短くしてから、もう一度送信してください。",
    },
};
