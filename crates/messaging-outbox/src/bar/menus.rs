//! The two menus of a staff account at LINE: made once, known by their names, made again when LINE has lost them.

use bytes::Bytes;
use line_types::api::RichMenu;
use line_types::id::RichMenuId;
use line_types::rich_menu::ImageKind;
use messaging_outbox_core::bar::menu::{self, Kind};
use url::Url;

use super::line::{DEADLINE, Line, Trouble};
use crate::postgres::staff_bar::{self as rows, MenuAtLine, MenusAtLine};

/// Drawn by `images/draw.py`.
const PLAIN: &[u8] = include_bytes!("../../images/plain.png");
const UNREAD: &[u8] = include_bytes!("../../images/unread.png");
/// Earlier menus deleted in one run: LINE lets an account delete 100 an hour, and those of others count, too.
const DELETED_AT_ONCE: usize = 4;

/// The menus as they are to be.
pub(super) struct Menus {
    plain: Own,
    unread: Own,
}

struct Own {
    menu: RichMenu,
    image: &'static [u8],
}

/// The menus as they are at LINE.
pub(super) struct Ready {
    pub(super) unread: RichMenuId,
    /// Earlier ones, which nobody needs any more once everybody has been switched.
    pub(super) old: Vec<RichMenuId>,
}

impl Own {
    fn of(kind: Kind, page: Option<&Url>, image: &'static [u8]) -> Self {
        Self { menu: menu::menu(kind, page.map(Url::as_str), image), image }
    }

    /// Gives the menu with this ID its image; one that LINE has already is as good.
    async fn upload(&self, line: &Line<'_>, id: &RichMenuId) -> Result<(), Trouble> {
        let (image, client) = (Bytes::from_static(self.image), &line.tools.line);
        match client.upload_rich_menu_image(&line.token, id, ImageKind::Png, image, DEADLINE).await {
            Err(failure) if failure.status != Some(400) => Err(Trouble::of_menu(failure)),
            _ => Ok(()),
        }
    }

    /// The menu at LINE with its image: the one that was listed, or a new one. What is known from before needs nothing.
    async fn ready(
        &self,
        line: &Line<'_>,
        listed: Option<RichMenuId>,
        before: Option<&MenuAtLine>,
    ) -> Result<MenuAtLine, Trouble> {
        let name = self.menu.name.clone();
        if let (Some(id), Some(before)) = (&listed, before)
            && *id == before.id
        {
            return Ok(before.clone());
        }
        let id = match listed {
            Some(id) => id,
            None => line.tools.line.create_rich_menu(&line.token, &self.menu, DEADLINE).await?,
        };
        chassis::failpoint::reached("messaging.bar_menu_made");
        self.upload(line, &id).await?;
        Ok(MenuAtLine { name, id })
    }
}

impl Menus {
    /// The menus whose places open `page`.
    pub(super) fn of(page: Option<&Url>) -> Self {
        Self { plain: Own::of(Kind::Plain, page, PLAIN), unread: Own::of(Kind::Unread, page, UNREAD) }
    }

    /// The menus at LINE, `before` as they were known: as they are, or looked for and made where they are not. The plain one is
    /// the account's default.
    pub(super) async fn ready(&self, line: &Line<'_>, before: Option<&MenusAtLine>) -> Result<Ready, Trouble> {
        let ours = [&*self.plain.menu.name, &*self.unread.menu.name];
        let before = before.filter(|before| [&*before.plain.name, &*before.unread.name] == ours);
        if let Some(before) = before.filter(|before| before.lately) {
            return Ok(Ready { unread: before.unread.id.clone(), old: Vec::new() });
        }
        let listed = line.tools.line.rich_menus(&line.token, DEADLINE).await?;
        let found = menu::find(&listed, ours);
        let plain = self.plain.ready(line, found.first, before.map(|before| &before.plain)).await?;
        let unread = self.unread.ready(line, found.second, before.map(|before| &before.unread)).await?;
        if before.is_none_or(|before| before.plain.id != plain.id) {
            let client = &line.tools.line;
            client.set_default_rich_menu(&line.token, &plain.id, DEADLINE).await.map_err(Trouble::of_menu)?;
        }
        let mut tx = line.tools.database.tenant(line.key.tenant).await?;
        rows::keep_menus(&mut tx, line.account(), &plain, &unread).await?;
        tx.commit().await?;
        Ok(Ready { unread: unread.id, old: found.old })
    }

    /// LINE has lost a menu: both are looked for again, whatever is known of them.
    pub(super) async fn lose(&self, line: &Line<'_>) -> Result<(), sqlx::Error> {
        let mut tx = line.tools.database.tenant(line.key.tenant).await?;
        rows::lose_menus(&mut tx, line.account()).await?;
        tx.commit().await
    }
}

/// Deletes earlier menus, as many as may be; the others are found again with the next look.
pub(super) async fn delete(line: &Line<'_>, old: &[RichMenuId]) {
    for id in old.iter().take(DELETED_AT_ONCE) {
        if let Err(failure) = line.tools.line.delete_rich_menu(&line.token, id, DEADLINE).await {
            tracing::info!(account.id = %line.account(), error = %failure, "an earlier rich menu stays for now");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_types::rich_menu::check_image;

    #[test]
    fn line_takes_both_images() {
        for image in [PLAIN, UNREAD] {
            assert_eq!(check_image(image, menu::SIZE), Ok(ImageKind::Png));
        }
    }
}
