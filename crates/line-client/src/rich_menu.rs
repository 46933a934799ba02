//! Rich menus: <https://developers.line.biz/en/docs/messaging-api/using-rich-menus/>.
//!
//! LINE takes no retry key here. Setting, linking and unlinking twice is the same as once; creating twice makes two menus,
//! which [`LineClient::rich_menus`] tells apart by their names.

use std::time::Duration;

use bytes::Bytes;
use line_types::{
    api::{RichMenu, RichMenuBulkLink, RichMenuBulkUnlink, RichMenuCreated, RichMenuKnown, RichMenuList},
    id::{RichMenuId, UserId},
    rate::Endpoint,
    rich_menu::ImageKind,
};
use reqwest::header::CONTENT_TYPE;

use crate::{client::LineClient, failure::Failure, token::ChannelAccessToken};

impl LineClient {
    /// Makes a menu: `POST /v2/bot/richmenu`. 100 an hour; an account has 1,000 at most. Nobody sees it before it has an
    /// image and is linked or the default.
    pub async fn create_rich_menu(
        &self,
        token: &ChannelAccessToken,
        menu: &RichMenu,
        deadline: Duration,
    ) -> Result<RichMenuId, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "richmenu"]);
        let answer = self.call(Endpoint::CreateRichMenu, self.post(url, token).json(menu), deadline).await?;
        Ok(answer.json::<RichMenuCreated>()?.rich_menu_id)
    }

    /// Gives a menu its image, once and for ever: `POST /v2/bot/richmenu/{id}/content` on LINE's data host. 400 if it has
    /// one already, or if LINE would not take this one ([`line_types::rich_menu::check_image`]).
    pub async fn upload_rich_menu_image(
        &self,
        token: &ChannelAccessToken,
        menu: &RichMenuId,
        kind: ImageKind,
        image: Bytes,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let url = self.endpoints().data(&["v2", "bot", "richmenu", menu.as_str(), "content"]);
        let request = self.post(url, token).header(CONTENT_TYPE, kind.media_type()).body(image);
        self.call(Endpoint::UploadRichMenuImage, request, deadline).await?.succeeded().map(|_| ())
    }

    /// All menus made by the API, at most 1,000: `GET /v2/bot/richmenu/list`. 10 a second.
    pub async fn rich_menus(
        &self,
        token: &ChannelAccessToken,
        deadline: Duration,
    ) -> Result<Vec<RichMenuKnown>, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "richmenu", "list"]);
        let answer = self.call(Endpoint::ListRichMenus, self.get(url, token), deadline).await?;
        Ok(answer.json::<RichMenuList>()?.richmenus)
    }

    /// Deletes a menu: `DELETE /v2/bot/richmenu/{id}`. 100 an hour; 404 if it is gone. Whoever had it sees the next one in
    /// LINE's order when the chat is opened again.
    pub async fn delete_rich_menu(
        &self,
        token: &ChannelAccessToken,
        menu: &RichMenuId,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let url = self.endpoints().api(&["v2", "bot", "richmenu", menu.as_str()]);
        let request = self.http().delete(url).bearer_auth(token.expose());
        self.call(Endpoint::DeleteRichMenu, request, deadline).await?.succeeded().map(|_| ())
    }

    /// Shows a menu to everybody without one of their own: `POST /v2/bot/user/all/richmenu/{id}`. 400 without an image, 404
    /// if it is gone.
    pub async fn set_default_rich_menu(
        &self,
        token: &ChannelAccessToken,
        menu: &RichMenuId,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let url = self.endpoints().api(&["v2", "bot", "user", "all", "richmenu", menu.as_str()]);
        self.call(Endpoint::SetDefaultRichMenu, self.post(url, token), deadline).await?.succeeded().map(|_| ())
    }

    /// Shows a menu to one user, at once: `POST /v2/bot/user/{userId}/richmenu/{id}`. Succeeds, without effect, also for
    /// strangers and for those who block. 400 without an image, 404 if it is gone.
    pub async fn link_rich_menu(
        &self,
        token: &ChannelAccessToken,
        user: &UserId,
        menu: &RichMenuId,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let url = self.endpoints().api(&["v2", "bot", "user", user.as_str(), "richmenu", menu.as_str()]);
        self.call(Endpoint::LinkRichMenu, self.post(url, token), deadline).await?.succeeded().map(|_| ())
    }

    /// Takes a user's own menu away, at once, so that the default shows: `DELETE /v2/bot/user/{userId}/richmenu`. Succeeds
    /// also where there is none.
    pub async fn unlink_rich_menu(
        &self,
        token: &ChannelAccessToken,
        user: &UserId,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let url = self.endpoints().api(&["v2", "bot", "user", user.as_str(), "richmenu"]);
        let request = self.http().delete(url).bearer_auth(token.expose());
        self.call(Endpoint::UnlinkRichMenu, request, deadline).await?.succeeded().map(|_| ())
    }

    /// A user's own menu: `GET /v2/bot/user/{userId}/richmenu`. None if there is none, and for strangers and those who block.
    pub async fn rich_menu_of_user(
        &self,
        token: &ChannelAccessToken,
        user: &UserId,
        deadline: Duration,
    ) -> Result<Option<RichMenuId>, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "user", user.as_str(), "richmenu"]);
        let answer = self.call(Endpoint::RichMenuOfUser, self.get(url, token), deadline).await?;
        if answer.status == 404 { Ok(None) } else { Ok(Some(answer.json::<RichMenuCreated>()?.rich_menu_id)) }
    }

    /// Shows a menu to up to 500 users: `POST /v2/bot/richmenu/bulk/link`. LINE takes it (202) and does it some seconds
    /// later; a call for one of these users in the meantime may be overtaken. On a failure nothing changes for anybody.
    pub async fn link_rich_menus(
        &self,
        token: &ChannelAccessToken,
        request: &RichMenuBulkLink,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let url = self.endpoints().api(&["v2", "bot", "richmenu", "bulk", "link"]);
        self.call(Endpoint::BulkLinkRichMenu, self.post(url, token).json(request), deadline)
            .await?
            .succeeded()
            .map(|_| ())
    }

    /// Takes the own menus of up to 500 users away, some seconds later: `POST /v2/bot/richmenu/bulk/unlink`.
    pub async fn unlink_rich_menus(
        &self,
        token: &ChannelAccessToken,
        request: &RichMenuBulkUnlink,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let url = self.endpoints().api(&["v2", "bot", "richmenu", "bulk", "unlink"]);
        self.call(Endpoint::BulkUnlinkRichMenu, self.post(url, token).json(request), deadline)
            .await?
            .succeeded()
            .map(|_| ())
    }
}
