//! Rich menu objects.

use line_types::{api::RichMenu, message::Action, rich_menu::check};
use serde_json::{Value, json};

fn menu() -> Value {
    let action = json!({"type": "message", "text": "t"});
    let area = json!({"bounds": {"x": 0, "y": 0, "width": 1_200, "height": 405}, "action": action});
    json!({"size": {"width": 1_200, "height": 405}, "selected": true, "name": "n", "chatBarText": "c", "areas": [area]})
}

fn with(pointer: &str, value: Value) -> Value {
    let mut menu = menu();
    *menu.pointer_mut(pointer).unwrap() = value;
    menu
}

fn only(menu: &Value) -> (String, String) {
    let mut found = check(menu);
    assert_eq!(found.len(), 1, "{found:?}");
    let violation = found.remove(0);
    (violation.property, violation.message)
}

#[test]
fn every_limit_of_a_rich_menu_is_lines() {
    assert_eq!(check(&menu()), []);
    let family = "👨‍👩‍👧‍👦";
    for (name, max) in [("name", 300), ("chatBarText", 14)] {
        let pointer = format!("/{name}");
        assert_eq!(check(&with(&pointer, json!(family.repeat(max)))), [], "{name} counts graphemes");
        let reason = format!("Length must be between 0 and {max}");
        assert_eq!(only(&with(&pointer, json!(family.repeat(max + 1)))), (name.to_owned(), reason));
    }
    let area = menu()["areas"][0].clone();
    assert_eq!(check(&with("/areas", json!(vec![area.clone(); 20]))), []);
    assert_eq!(only(&with("/areas", json!(vec![area; 21]))).1, "Size must be between 0 and 20");
    for (width, height, taken) in [(2_500, 1_686, true), (2_501, 1_686, false), (799, 250, false), (800, 249, false)] {
        let found = check(&with("/size", json!({"width": width, "height": height})));
        assert_eq!(found.is_empty(), taken, "{width} × {height}: {found:?}");
    }
    assert_eq!(only(&with("/size", json!({"width": 1_000, "height": 1_000}))).0, "size");
    assert_eq!(only(&with("/areas/0/bounds/width", json!(0))).0, "areas[0].bounds.width");
    assert_eq!(only(&with("/selected", json!("yes"))), ("selected".into(), "must be a boolean".into()));
    assert_eq!(check(&json!([]))[0].message, "must be an object");
}

#[test]
fn what_is_missing_is_named_in_lines_words() {
    for name in ["size", "selected", "name", "chatBarText", "areas"] {
        let mut menu = menu();
        menu.as_object_mut().unwrap().remove(name);
        assert_eq!(only(&menu), (name.to_owned(), "must be specified".to_owned()));
    }
    let scheme = with("/areas/0/action", json!({"type": "uri", "uri": "no address"}));
    assert_eq!(only(&scheme), ("areas[0].action.uri".into(), "invalid uri".into()));
}

#[test]
fn rich_menus_alone_switch_rich_menus_and_none_opens_the_camera() {
    let switch = Action::RichMenuSwitch { label: None, rich_menu_alias_id: "tab-b".into(), data: "b".into() };
    let switch = serde_json::to_value(switch).unwrap();
    assert_eq!(switch, json!({"type": "richmenuswitch", "richMenuAliasId": "tab-b", "data": "b"}));
    assert_eq!(check(&with("/areas/0/action", switch)), []);
    let camera = json!({"type": "camera", "label": "l"});
    assert_eq!(only(&with("/areas/0/action", camera)).0, "areas[0].action.type");
}

#[test]
fn our_shape_is_what_is_checked() {
    let typed: RichMenu = serde_json::from_value(menu()).unwrap();
    assert_eq!(serde_json::to_value(typed).unwrap(), menu());
}
