//! English.

use super::{FieldTexts, FormTexts, NoticeTexts, Texts};

pub(super) const TEXTS: Texts = Texts {
    lang: "en",
    other_lang: "ja",
    other_name: "日本語",
    inquiry: FormTexts {
        heading: "Contact us",
        lead: "Send the shop a message. The answer arrives in your LINE chat.",
        button: "Confirm in LINE and send",
        purpose: "What you enter is used to answer you and to link your customer record at the shop to this LINE account.",
    },
    link: FormTexts {
        heading: "Link your customer record",
        lead: "Link your customer record at the shop to LINE to see your reservations and get notices in the chat.",
        button: "Confirm in LINE and link",
        purpose: "What you enter is used to link your customer record at the shop to this LINE account.",
    },
    staff: FormTexts {
        heading: "Staff registration",
        lead: "Enter the invitation code you got from your administrator, and the shop's notices arrive in this LINE chat.",
        button: "Confirm in LINE and register",
        purpose: "The code is used to tie your staff record at the shop to this LINE account.",
    },
    family: FieldTexts {
        label: "Family name",
        hint: "",
        missing: "Enter your family name.",
        too_long: "The family name can have at most 100 characters.",
        unfit: "The family name has characters that cannot be used.",
    },
    given: FieldTexts {
        label: "Given name",
        hint: "Leave it empty if you have one name only.",
        missing: "",
        too_long: "The given name can have at most 100 characters.",
        unfit: "The given name has characters that cannot be used.",
    },
    mobile: FieldTexts {
        label: "Mobile number",
        hint: "The number you gave the shop, with or without hyphens.",
        missing: "Enter your mobile number.",
        too_long: "The mobile number is too long. Check it, please.",
        unfit: "Enter a mobile number. The number of a landline cannot be used.",
    },
    text: FieldTexts {
        label: "Message",
        hint: "Up to 1,000 characters.",
        missing: "Enter your message.",
        too_long: "The message can have at most 1,000 characters.",
        unfit: "The message has characters that cannot be used.",
    },
    code: FieldTexts {
        label: "Invitation code",
        hint: "16 letters and digits, with or without hyphens.",
        missing: "Enter your invitation code.",
        too_long: "The invitation code is too long. Check it, please.",
        unfit: "This invitation code cannot be used. Check it, or ask your administrator for a new one.",
    },
    required: "Please fill in every field that does not say otherwise.",
    summary: "Please check what you entered",
    title_wrong: "Error: ",
    about: "Before you continue",
    unlinking: "You can end the link at any time from your LINE chat.",
    unbinding: "Your administrator can end the registration at any time.",
    confirming: "The button opens a page of LINE that asks you to confirm. Nothing is linked before you do.",
    away_kept: "We could not take this just now. What you entered is still here: wait a moment and press the button again.",
    too_many_kept: "This was sent too often in a short time. What you entered is still here: wait a while and press the button again.",
    returned: "What you wrote",
    returned_hint: "It was not sent. Copy it from here to use it again.",
    taken: NoticeTexts {
        heading: "The shop has your message",
        text: "It has arrived. If LINE could not confirm who sent it, the answer may not reach you in your LINE chat.",
    },
    gone: NoticeTexts {
        heading: "This page can no longer be used",
        text: "It has expired, or was sent already. Go back to your LINE chat and open it again from the menu.",
    },
    too_many: NoticeTexts {
        heading: "Please wait a while",
        text: "The page was opened too often in a short time. Wait a while and open it again.",
    },
    away: NoticeTexts {
        heading: "Not available just now",
        text: "We are busy at the moment. Wait a little and open the page again.",
    },
    not_ours: NoticeTexts {
        heading: "This could not be sent",
        text: "Go back to your LINE chat and open the page again. If your browser blocks cookies, allow them for this page.",
    },
    too_large: NoticeTexts { heading: "This is too long", text: "Go back, make it shorter, and send it again." },
};
