//! Form tokens as they are issued.

use chassis::postgres::TenantTx;
use identity_linking_core::link::{FORM_TOKEN_LIFE, FormToken, IssuedFormToken};
use identity_linking_core::matching::LinkMethod;
use kernel::{AccountId, FriendId, Timestamp};
use url::Url;

use crate::postgres::form_token;

/// Issues a token for one submission of a form by a LINE user of an account.
pub(crate) async fn issue(
    tx: &mut TenantTx,
    now: Timestamp,
    account: AccountId,
    friend: FriendId,
    method: LinkMethod,
) -> Result<(FormToken, IssuedFormToken), sqlx::Error> {
    let token = FormToken::of(tx.tenant(), rand::random());
    let issued = IssuedFormToken {
        account,
        friend,
        method,
        expire_time: now + FORM_TOKEN_LIFE,
        use_time: None,
        attempt: None,
        dialogs: 0,
        refusals: 0,
    };
    form_token::insert(tx, &token, &issued).await?;
    Ok((token, issued))
}

/// The address of the form that a token opens.
pub(crate) fn address(pages_url: &Url, token: &FormToken) -> String {
    format!("{}/f/{}", pages_url.as_str().trim_end_matches('/'), token.reveal())
}
