//! Templates.

use line_types::message::{Action, Column, ImageColumn, Message, Template};
use serde_json::json;

use crate::{URL, buttons, label, limit, refused, taken};

#[test]
fn template_texts_count_graphemes() {
    let family = "👨‍👩‍👧‍👦";
    let mut message = buttons(&json!({}));
    limit(&message, "/template/text", ".template.text", 160, family);
    message["template"]["title"] = json!("t");
    limit(&message, "/template/text", ".template.text", 60, family);
    limit(&message, "/template/title", ".template.title", 40, family);
    limit(&buttons(&json!({"thumbnailImageUrl": URL})), "/template/text", ".template.text", 60, family);
    let confirm = json!({"type": "template", "altText": "a",
        "template": {"type": "confirm", "text": "t", "actions": [label("yes"), label("no")]}});
    limit(&confirm, "/template/text", ".template.text", 240, family);
    let mut one = confirm;
    one["template"]["actions"] = json!([label("yes")]);
    refused(&one, ".template.actions", "Size must be between 2 and 2");
    limit(&buttons(&json!({})), "/altText", ".altText", 1_500, "あ");
    taken(&buttons(&json!({"actions": vec![label("a"); 4]})));
    refused(&buttons(&json!({"actions": vec![label("a"); 5]})), ".template.actions", "Size must be between 1 and 4");
    refused(&buttons(&json!({"imageBackgroundColor": "red"})), ".template.imageBackgroundColor", "invalid color");
    limit(&buttons(&json!({})), "/template/actions/0/label", ".template.actions[0].label", 20, family);
    refused(
        &buttons(&json!({"actions": [{"type": "message", "text": "t"}]})),
        ".template.actions[0].label",
        "May not be empty",
    );
}

#[test]
fn carousel_columns_agree() {
    let column = |title: bool, buttons: usize| Column {
        text: "t".into(),
        title: title.then(|| "title".into()),
        thumbnail_image_url: None,
        actions: vec![Action::Message { label: Some("l".into()), text: "t".into() }; buttons],
    };
    let carousel = |columns: Vec<Column>| Message::template("a", Template::Carousel { columns }).to_value();
    taken(&carousel(vec![column(true, 3); 10]));
    let columns = ".template.columns";
    refused(&carousel(vec![column(true, 1); 11]), columns, "Size must be between 1 and 10");
    refused(&carousel(vec![]), columns, "Size must be between 1 and 10");
    refused(&carousel(vec![column(true, 4)]), ".template.columns[0].actions", "Size must be between 1 and 3");
    let uneven = "must have the same number of actions in all columns";
    refused(&carousel(vec![column(false, 1), column(false, 2)]), columns, uneven);
    let titles = "must have title in all columns or in none";
    refused(&carousel(vec![column(false, 1), column(true, 1)]), columns, titles);
    limit(&carousel(vec![column(false, 1)]), "/template/columns/0/text", ".template.columns[0].text", 120, "あ");
    limit(&carousel(vec![column(true, 1)]), "/template/columns/0/text", ".template.columns[0].text", 60, "あ");
    let image = ImageColumn { image_url: URL.into(), action: Action::Uri { label: Some("l".into()), uri: URL.into() } };
    let images =
        |count| Message::template("a", Template::ImageCarousel { columns: vec![image.clone(); count] }).to_value();
    taken(&images(10));
    refused(&images(11), columns, "Size must be between 1 and 10");
    limit(&images(1), "/template/columns/0/action/label", ".template.columns[0].action.label", 12, "あ");
}
