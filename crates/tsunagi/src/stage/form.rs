//! A form page in a browser, as far as a submission goes: the page is opened, its cookie kept, its proof sent along.

use anyhow::{Context as _, ensure};
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use url::Url;

/// An open form.
#[derive(Clone, Debug)]
pub struct OpenForm {
    http: reqwest::Client,
    address: Url,
    cookie: String,
    proof: String,
}

impl OpenForm {
    /// Opens the form at `address`.
    ///
    /// # Errors
    /// When there is no form there; the status is told.
    pub async fn at(address: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build()?;
        let address: Url = address.parse()?;
        let page = http.get(address.clone()).send().await?;
        ensure!(page.status() == 200, "the form's page answered {}", page.status());
        let cookie = page.headers().get(SET_COOKIE).context("the page keeps no cookie")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let html = page.text().await?;
        let proof = html.split_once("name=\"proof\" value=\"").and_then(|(_, rest)| rest.split_once('"'));
        let (proof, _) = proof.context("the page has no proof")?;
        Ok(Self { http, address, cookie, proof: proof.to_owned() })
    }

    /// Submits what was typed, by the names of the fields. Gives the address of LINE's account-link dialog.
    ///
    /// # Errors
    /// When the page is answered with anything but a way to the dialog; the status is told.
    pub async fn submit(&self, typed: &[(&str, &str)]) -> anyhow::Result<String> {
        let fields: Vec<(&str, &str)> =
            [("proof", self.proof.as_str())].into_iter().chain(typed.iter().copied()).collect();
        let answer = self
            .http
            .post(self.address.clone())
            .header(COOKIE, &self.cookie)
            .header(ORIGIN, self.address.origin().ascii_serialization())
            .form(&fields)
            .send()
            .await?;
        ensure!(answer.status() == 303, "the submission was answered with {}", answer.status());
        let dialog = answer.headers().get(LOCATION).context("the answer leads nowhere")?;
        Ok(dialog.to_str()?.to_owned())
    }
}
