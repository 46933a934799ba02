//! What a form page asks of the linking.

use std::net::IpAddr;
use std::time::Duration;

use chassis::postgres::TenantTx;
use identity_linking_core::inquiry::{InquiryText, LONGEST_INQUIRY};
use identity_linking_core::link::{FormToken, FormTokenState, NoLinkToken, RateScope, Submission};
use identity_linking_core::matching::{LinkMethod, Refusal};
use identity_linking_core::{CallingRegion, MobileNumber, NamePart, PersonName};
use url::Url;

use super::Desk;
use super::submission::{self, Claim};
use crate::change::ChangeError;
use crate::postgres::{account, attempt_count, form_token, friend, tenant};
use crate::staffing::form as staff_form;

/// Most characters of a part of a name.
const LONGEST_PART: usize = 100;

/// A form whose token is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Which form it is.
    pub(crate) form: Form,
    /// The name of the shop's official account; may be empty.
    pub(crate) account_name: String,
}

/// The forms there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Asks for the name and a text.
    Inquiry,
    /// Asks for the name and the mobile number.
    Link,
    /// Asks for an invitation's code, on the staff account.
    Staff,
}

/// What was typed; what the form does not ask for is empty. Line ends are `\n`. `Debug` shows nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The family name.
    pub(crate) family: String,
    /// The given name; empty where the person has one name.
    pub(crate) given: String,
    /// The mobile number.
    pub(crate) mobile: String,
    /// The text of the inquiry.
    pub(crate) text: String,
    /// The code of an invitation.
    pub(crate) code: String,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry(..)")
    }
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Submitted {
    /// LINE's account-link dialog is to be opened.
    Confirm(Url),
    /// These fields are wrong. The token is not used up.
    Wrong(Vec<(FormField, Wrong)>),
    /// The shop has the inquiry, and nothing new comes of it: LINE will not say who wrote it, or has said so.
    Taken,
    /// The token is unknown, expired, used or foreign. Nothing of what was written is kept.
    Gone,
    /// Too many submissions; the next one after this time.
    TooMany(Duration),
    /// LINE or the database is away. The token is not used up.
    Away,
}

/// A field of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FormField {
    /// [`Entry::family`].
    Family,
    /// [`Entry::given`].
    Given,
    /// [`Entry::mobile`].
    Mobile,
    /// [`Entry::text`].
    Text,
    /// [`Entry::code`].
    Code,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It must not be empty.
    Missing,
    /// It is too long.
    TooLong,
    /// It is no mobile number.
    NotMobile,
    /// It holds characters that cannot be taken.
    Unfit,
}

/// Why a form cannot be opened at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// The database is away.
    Away,
    /// The client opened too many; the next one after this time.
    TooMany(Duration),
}

/// Opens the form of a token, which uses nothing up; none where [`Submitted::Gone`] would be answered.
pub(crate) async fn open(desk: &Desk, token: &str, client: IpAddr) -> Result<Option<Opened>, NotNow> {
    let Some(token) = FormToken::parse(token) else { return Ok(None) };
    let found = find(desk, &token, client).await.map_err(|error| away("a form cannot be opened", &error))?;
    found.map_err(NotNow::TooMany)
}

async fn find(desk: &Desk, token: &FormToken, client: IpAddr) -> Result<Result<Option<Opened>, Duration>, ChangeError> {
    let mut tx = desk.registry.database.tenant(token.tenant()).await?;
    if let Some(pause) = too_many(desk, &mut tx, token, client).await? {
        return Ok(Err(pause));
    }
    let Some(issued) = form_token::find(&mut tx, token).await? else {
        return Ok(Ok(staff_form::open(desk, &mut tx, token).await?));
    };
    let Some(form) = form_of(issued.method) else { return Ok(Ok(None)) };
    if issued.state(desk.registry.now()) != FormTokenState::Fresh {
        return Ok(Ok(None));
    }
    let account = account::find(&mut tx, issued.account).await?.ok_or(sqlx::Error::RowNotFound)?.stored.value;
    tx.rollback().await?;
    let account_name = account.display_name.map(|name| name.as_str().to_owned()).unwrap_or_default();
    Ok(Ok(Some(Opened { form, account_name })))
}

/// How long whoever comes from an address must wait, where too many attempts came from there.
async fn too_many(
    desk: &Desk,
    tx: &mut TenantTx,
    token: &FormToken,
    client: IpAddr,
) -> Result<Option<Duration>, ChangeError> {
    let address = desk.address_keys.hash(token.tenant(), client);
    let counted = attempt_count::from_address(tx, &address, desk.registry.now()).await?;
    Ok(counted.is_full().then(|| RateScope::Address.window().to_std().unwrap_or_default()))
}

/// Submits what was typed.
pub(crate) async fn submit(desk: &Desk, token: &str, entry: Entry, client: IpAddr) -> Submitted {
    let Some(token) = FormToken::parse(token) else { return Submitted::Gone };
    match take(desk, &token, &entry, client).await {
        Ok(submitted) => submitted,
        Err(error) => {
            away("a form cannot be submitted", &error);
            Submitted::Away
        }
    }
}

async fn take(desk: &Desk, token: &FormToken, entry: &Entry, client: IpAddr) -> Result<Submitted, ChangeError> {
    let now = desk.registry.now();
    let mut tx = desk.registry.database.tenant(token.tenant()).await?;
    if let Some(pause) = too_many(desk, &mut tx, token, client).await? {
        return Ok(Submitted::TooMany(pause));
    }
    let Some(issued) = form_token::find(&mut tx, token).await? else {
        tx.rollback().await?;
        return staff_form::submit(desk, token, &entry.code, client).await;
    };
    let Some(form) = form_of(issued.method) else { return Ok(Submitted::Gone) };
    let address = desk.address_keys.hash(token.tenant(), client);
    let region = tenant::find(&mut tx).await?.ok_or(sqlx::Error::RowNotFound)?.value.time_zone.calling_region();
    let claim = match read(form, entry, region) {
        Ok(claim) => Claim { address: Some(address), ..claim },
        Err(wrong) => return Ok(Submitted::Wrong(wrong)),
    };
    match submission::admit(&mut tx, now, &issued, &claim).await? {
        Submission::First | Submission::Again(_) => {}
        Submission::Known => return Ok(Submitted::Taken),
        Submission::Refused(refusal) => return gone(tx, desk, token, claim, refusal).await,
    }
    let user = friend::find(&mut tx, issued.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    tx.rollback().await?;
    // LINE is asked outside of any transaction. Should the rest fail, its token is left unused.
    let link_token = match submission::link_token(desk, token.tenant(), issued.account, &user.line_user_id).await {
        Ok(link_token) => Ok(link_token),
        Err(NoLinkToken::Away) => return Ok(Submitted::Away),
        Err(NoLinkToken::Refused(refusal)) => Err(refusal),
    };
    let now = desk.registry.now();
    let mut tx = desk.registry.database.tenant(token.tenant()).await?;
    let issued = form_token::lock(&mut tx, token).await?.ok_or(sqlx::Error::RowNotFound)?;
    // Once more, as it stands now: the same may have been submitted meanwhile.
    let dialog = match (submission::admit(&mut tx, now, &issued, &claim).await?, link_token) {
        (Submission::First, Ok(link_token)) => {
            submission::place(desk, &mut tx, now, (token, &issued), claim, &link_token).await?.dialog
        }
        (Submission::Again(attempt), Ok(link_token)) => {
            form_token::count_dialog(&mut tx, token).await?;
            submission::renew(desk, &mut tx, attempt, &link_token).await?
        }
        (Submission::First, Err(refusal)) => {
            submission::refuse_unasked(&mut tx, now, (token, &issued), &claim, refusal).await?;
            tx.commit().await?;
            return Ok(over(&claim));
        }
        (Submission::Again(_), Err(_)) => return Ok(over(&claim)),
        (Submission::Known, _) => return Ok(Submitted::Taken),
        (Submission::Refused(refusal), _) => return gone(tx, desk, token, claim, refusal).await,
    };
    tx.commit().await?;
    Ok(Submitted::Confirm(dialog))
}

/// What is told of a claim that is kept and that nothing more comes of.
fn over(claim: &Claim) -> Submitted {
    if claim.inquiry.is_some() { Submitted::Taken } else { Submitted::Gone }
}

/// Keeps why nothing can come of a claim; whoever typed it is told what everybody is told.
async fn gone(
    tx: TenantTx,
    desk: &Desk,
    token: &FormToken,
    claim: Claim,
    refusal: Refusal,
) -> Result<Submitted, ChangeError> {
    // What was looked at may be locked, and the token is locked before anything else.
    tx.rollback().await?;
    let mut tx = desk.registry.database.tenant(token.tenant()).await?;
    let issued = form_token::lock(&mut tx, token).await?.ok_or(sqlx::Error::RowNotFound)?;
    submission::refuse_late(&mut tx, desk.registry.now(), (token, &issued), &claim, refusal).await?;
    tx.commit().await?;
    Ok(Submitted::Gone)
}

/// The page of a form; none for forms that are an internal service's own.
fn form_of(method: LinkMethod) -> Option<Form> {
    match method {
        LinkMethod::InquiryForm => Some(Form::Inquiry),
        LinkMethod::LinkForm => Some(Form::Link),
        LinkMethod::BookingPage | LinkMethod::LandingPage | LinkMethod::FirstMessage => None,
    }
}

/// Reads what was typed; every wrong field at once.
fn read(form: Form, entry: &Entry, region: CallingRegion) -> Result<Claim, Vec<(FormField, Wrong)>> {
    let mut wrong = Vec::new();
    let mut note = |fault: (FormField, Wrong)| wrong.push(fault);
    let family = part(FormField::Family, &entry.family).map_err(&mut note).ok();
    let given = second_part(FormField::Given, &entry.given).map_err(&mut note).ok().flatten();
    let mobile = match form {
        Form::Inquiry | Form::Staff => None,
        Form::Link => mobile(&entry.mobile, region).map_err(&mut note).ok(),
    };
    let inquiry = match form {
        Form::Link | Form::Staff => None,
        Form::Inquiry => inquiry(&entry.text).map_err(&mut note).ok(),
    };
    match PersonName::new(family, given, None, None) {
        Ok(name) if wrong.is_empty() => {
            Ok(Claim { name, mobile, inquiry, address: None, activity: None, own_customer: None })
        }
        _ => Err(wrong),
    }
}

fn part(field: FormField, text: &str) -> Result<NamePart, (FormField, Wrong)> {
    NamePart::parse(text).map_err(|_| (field, text_fault(text, LONGEST_PART)))
}

/// Not everybody has two names.
fn second_part(field: FormField, text: &str) -> Result<Option<NamePart>, (FormField, Wrong)> {
    NamePart::optional(text).map_err(|_| (field, text_fault(text, LONGEST_PART)))
}

fn mobile(text: &str, region: CallingRegion) -> Result<MobileNumber, (FormField, Wrong)> {
    match MobileNumber::optional(text, region) {
        Ok(Some(mobile)) => Ok(mobile),
        Ok(None) => Err((FormField::Mobile, Wrong::Missing)),
        Err(_) => Err((FormField::Mobile, Wrong::NotMobile)),
    }
}

fn inquiry(text: &str) -> Result<InquiryText, (FormField, Wrong)> {
    InquiryText::parse(text).map_err(|_| (FormField::Text, text_fault(text, LONGEST_INQUIRY)))
}

/// What is wrong with a text that is not taken.
fn text_fault(text: &str, longest: usize) -> Wrong {
    if text.trim().is_empty() {
        Wrong::Missing
    } else if text.trim().chars().nth(longest).is_some() {
        Wrong::TooLong
    } else {
        Wrong::Unfit
    }
}

fn away(what: &'static str, error: &ChangeError) -> NotNow {
    tracing::warn!(error = %error, "{what}");
    NotNow::Away
}
