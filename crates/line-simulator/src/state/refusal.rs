//! Every way the Platform says no, with the status and the words LINE uses for it.
//!
//! Words: <https://developers.line.biz/en/reference/messaging-api/#error-messages>.

use serde_json::{Value, json};

/// One broken property of a request body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) property: String,
    pub(crate) message: String,
}

impl Detail {
    fn body(&self) -> Value {
        json!({ "message": self.message, "property": self.property })
    }
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// 400: properties are wrong, named one by one.
    Invalid(Vec<Detail>),
    /// 400: one property cannot be read at all.
    InvalidProperty(String),
    /// 400: the body is not JSON.
    NotJson { line: usize, column: usize },
    /// 400: the reply token is used, expired or was never issued.
    ReplyToken,
    /// 400: the recipient is not one of this provider.
    FailedToSend,
    /// 400 with words of its own.
    Bad(String),
    /// 401 without an `Authorization: Bearer` header.
    NoToken,
    /// 401: the token is unknown, revoked or expired.
    BadToken(&'static str),
    /// 403: the account's plan or certification does not include this.
    NotEntitled,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 409: this retry key was accepted before.
    AlreadyAccepted { request_id: String, sent_messages: Option<Value> },
    /// 410: unsent content.
    Gone,
    /// 413: more than 2 MB.
    TooLarge,
    /// 415.
    MediaType(String),
    /// 404: one property of the body names what is not there.
    Absent(Detail),
    /// A status with the words LINE has for it at one endpoint.
    Particular { status: u16, message: &'static str },
    /// 429: the endpoint's token bucket is empty.
    RateLimited,
    /// 429: the month's messages are used up or reserved.
    MonthlyLimit,
    /// Any status with any words; used by injected faults.
    Injected { status: u16, message: String },
}

impl Refusal {
    /// One wrong property.
    pub(crate) fn property(property: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Detail { property: property.into(), message: message.into() }])
    }

    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Invalid(_)
            | Self::InvalidProperty(_)
            | Self::NotJson { .. }
            | Self::ReplyToken
            | Self::FailedToSend
            | Self::Bad(_) => 400,
            Self::NoToken | Self::BadToken(_) => 401,
            Self::NotEntitled => 403,
            Self::NotFound | Self::Absent(_) => 404,
            Self::MethodNotAllowed => 405,
            Self::AlreadyAccepted { .. } => 409,
            Self::Gone => 410,
            Self::TooLarge => 413,
            Self::MediaType(_) => 415,
            Self::RateLimited | Self::MonthlyLimit => 429,
            Self::Particular { status, .. } | Self::Injected { status, .. } => *status,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Invalid(details) => format!("The request body has {} error(s)", details.len()),
            Self::Absent(_) => "The request body has 1 error(s)".into(),
            Self::Particular { message, .. } => (*message).into(),
            Self::InvalidProperty(name) => {
                format!("The property, '{name}', in the request body is invalid (line: -, column: -)")
            }
            Self::NotJson { line, column } => {
                format!("The request body could not be parsed as JSON (line: {line}, column: {column})")
            }
            Self::ReplyToken => "Invalid reply token".into(),
            Self::FailedToSend => "Failed to send messages".into(),
            Self::Bad(message) | Self::Injected { message, .. } => message.clone(),
            Self::NoToken => {
                "Authorization header required. Must follow the scheme, 'Authorization: Bearer <ACCESS TOKEN>'".into()
            }
            Self::BadToken(reason) => format!(
                "Authentication failed due to the following reason: {reason}. \
                 Confirm that the access token in the authorization header is valid."
            ),
            Self::NotEntitled => "Access to this API is not available for your account".into(),
            Self::NotFound => "Not found".into(),
            Self::MethodNotAllowed => "Method Not Allowed".into(),
            Self::AlreadyAccepted { .. } => "The retry key is already accepted".into(),
            Self::Gone => "Gone".into(),
            Self::TooLarge => "Payload Too Large".into(),
            Self::MediaType(given) => format!("The content type, {given}, is not supported"),
            Self::RateLimited => "The API rate limit has been exceeded. Try again later.".into(),
            Self::MonthlyLimit => "You have reached your monthly limit.".into(),
        }
    }

    /// The error body: `{message, details?}`, and `sentMessages` on a repeated push.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({ "message": self.message() });
        match self {
            Self::Invalid(details) => body["details"] = details.iter().map(Detail::body).collect(),
            Self::Absent(detail) => body["details"] = json!([detail.body()]),
            Self::Particular { .. } => body["details"] = json!([]),
            Self::AlreadyAccepted { sent_messages: Some(sent), .. } => body["sentMessages"] = sent.clone(),
            _ => {}
        }
        body
    }
}
