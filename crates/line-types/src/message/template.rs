//! Template messages: <https://developers.line.biz/en/reference/messaging-api/#template-messages>.

use serde::Serialize;

use super::{
    action::{self, Action, Place},
    violation::{MAX_URL, Need, Object, Report, Unit},
};

/// Most columns of carousels.
const MAX_COLUMNS: usize = 10;
/// Longest title, in graphemes.
const MAX_TITLE: usize = 40;

/// A template. Everything optional is left out where `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Template {
    /// A picture, a title, a text and 1 to 4 buttons.
    Buttons {
        /// Text: 160 characters, 60 with a title or picture.
        text: String,
        /// Title, 40 characters.
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Address of the picture.
        #[serde(skip_serializing_if = "Option::is_none")]
        thumbnail_image_url: Option<String>,
        /// The buttons.
        actions: Vec<Action>,
    },
    /// A text and two buttons.
    Confirm {
        /// Text, 240 characters.
        text: String,
        /// The buttons.
        actions: Vec<Action>,
    },
    /// 1 to 10 cards side by side, with the same number of buttons.
    Carousel {
        /// The cards.
        columns: Vec<Column>,
    },
    /// 1 to 10 pictures side by side.
    ImageCarousel {
        /// The pictures.
        columns: Vec<ImageColumn>,
    },
}

/// A card of a carousel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Text: 120 characters, 60 with a title or picture.
    pub text: String,
    /// Title, 40 characters; all cards have one or none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Address of the picture; all cards have one or none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail_image_url: Option<String>,
    /// 1 to 3 buttons.
    pub actions: Vec<Action>,
}

/// A picture of an image carousel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageColumn {
    /// Address of the picture.
    pub image_url: String,
    /// What a tap does; its label has at most 12 characters.
    pub action: Action,
}

pub(super) fn check(message: &Object<'_>, report: &mut Report) {
    super::object::check_alt_text(message, report);
    let Some(template) = message.object("template", Need::Required, report) else { return };
    match template.one_of("type", Need::Required, &["buttons", "confirm", "carousel", "image_carousel"], report) {
        Some("buttons") => {
            check_card(&template, 160, 4, report);
            check_picture_style(&template, report);
        }
        Some("confirm") => {
            template.text("text", Need::Required, 240, Unit::Graphemes, report);
            check_actions(&template, 2, 2, report);
        }
        Some("carousel") => check_carousel(&template, report),
        Some("image_carousel") => {
            let columns = template.objects("columns", Need::Required, 1..=MAX_COLUMNS, report);
            for column in columns.into_iter().flatten() {
                column.https("imageUrl", Need::Required, MAX_URL, report);
                if let Some(action) = column.object("action", Need::Required, report) {
                    action::check(&action, Place::ImageCarousel, report);
                }
            }
        }
        _ => {}
    }
}

fn check_carousel(template: &Object<'_>, report: &mut Report) {
    check_picture_style(template, report);
    let Some(columns) = template.objects("columns", Need::Required, 1..=MAX_COLUMNS, report) else { return };
    let mut counts = Vec::new();
    for column in &columns {
        counts.push(check_card(column, 120, 3, report));
    }
    let differs = |name: &str| columns.iter().any(|column| column.has(name) != columns[0].has(name));
    let property = template.at("columns");
    if counts.windows(2).any(|pair| pair[0] != pair[1]) {
        report.add(&*property, "must have the same number of actions in all columns");
    }
    for name in ["title", "thumbnailImageUrl"] {
        if differs(name) {
            report.add(&*property, format!("must have {name} in all columns or in none"));
        }
    }
}

/// A card: picture, title, text, buttons. Tells how many buttons it has.
fn check_card(card: &Object<'_>, longest_text: usize, most_actions: usize, report: &mut Report) -> usize {
    let decorated = card.has("title") || card.has("thumbnailImageUrl");
    card.text("text", Need::Required, if decorated { 60 } else { longest_text }, Unit::Graphemes, report);
    card.text("title", Need::Optional, MAX_TITLE, Unit::Graphemes, report);
    card.https("thumbnailImageUrl", Need::Optional, MAX_URL, report);
    card.color("imageBackgroundColor", false, report);
    if let Some(action) = card.object("defaultAction", Need::Optional, report) {
        action::check(&action, Place::TemplateDefault, report);
    }
    check_actions(card, 1, most_actions, report)
}

fn check_actions(owner: &Object<'_>, fewest: usize, most: usize, report: &mut Report) -> usize {
    let actions = owner.objects("actions", Need::Required, fewest..=most, report).unwrap_or_default();
    for action in &actions {
        action::check(action, Place::Template, report);
    }
    actions.len()
}

fn check_picture_style(template: &Object<'_>, report: &mut Report) {
    template.one_of("imageAspectRatio", Need::Optional, &["rectangle", "square"], report);
    template.one_of("imageSize", Need::Optional, &["cover", "contain"], report);
}
