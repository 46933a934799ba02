//! Talking to the mail server: the message, and the two halves of handing it over. After the first half nothing is taken yet; only in
//! the second may an outcome stay unknown.

use std::net::IpAddr;
use std::time::Duration;

use chassis::config::{Secret, Settings};
use kernel::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, address::Envelope};
use messaging_outbox_core::notice::attempt::Outcome;
use url::Url;
use uuid::Uuid;

/// How long connecting may take, the greeting included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long the first half may take, connecting included.
const OFFER_WITHIN: Duration = Duration::from_secs(30);
/// How long the server may take to say that it has the message.
const TAKE_WITHIN: Duration = Duration::from_mins(1);
/// How long to wait for a polite farewell.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// The operator's mail server.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is encrypted.
    pub tls: MailTls,
    /// The user name and the password.
    pub login: Option<(String, Secret)>,
    /// Whom notices come from: an address, or a name and an address.
    pub from: String,
    /// Whose certificates are trusted beside those the machine trusts, PEM.
    pub authority: Option<String>,
}

/// How the way to the mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte (RFC 8314).
    Implicit,
    /// After STARTTLS, without which nothing is sent.
    Starttls,
    /// Not at all: on loopback alone.
    None,
}

/// Why there is no way to the mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The sender is no address.
    #[error("the sender of e-mails is no address")]
    From,
    /// The certificates cannot be used.
    #[error("the mail server's authority cannot be used")]
    Tls,
}

impl MailConfig {
    /// Reads `TSUNAGI_SMTP_*`; none: no e-mail is sent.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let url: Option<Url> = settings.optional(
            "TSUNAGI_SMTP_URL",
            "The mail server that notices to staff go through: smtps://host:465 (TLS from the start) or smtp://host:587 (STARTTLS, \
             which is demanded; without TLS on loopback alone). Without it no e-mail is sent.",
        );
        let from: Option<String> = settings.optional(
            "TSUNAGI_SMTP_FROM",
            "Whom notices to staff come from: an address, or a name and an address in angle brackets.",
        );
        let user: Option<String> = settings
            .optional("TSUNAGI_SMTP_USERNAME", "The user name at the mail server; without it nobody logs in there.");
        let password: Option<Secret> = settings.optional("TSUNAGI_SMTP_PASSWORD", "The password at the mail server.");
        let authority: Option<String> = settings.optional(
            "TSUNAGI_SMTP_AUTHORITY",
            "Whose certificates are trusted, beside those the machine trusts, when the mail server is called, PEM.",
        );
        let url = url?;
        let Some((host, port, tls)) = server(&url) else {
            settings.mistake(
                "TSUNAGI_SMTP_URL",
                "is not smtps://host or smtp://host, with a port or without, and nothing else",
            );
            return None;
        };
        let Some(from) = from else {
            settings.mistake("TSUNAGI_SMTP_FROM", "is missing, and TSUNAGI_SMTP_URL is there");
            return None;
        };
        let login = match (user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => {
                settings.mistake("TSUNAGI_SMTP_USERNAME", "and TSUNAGI_SMTP_PASSWORD are not both there");
                return None;
            }
        };
        let config = Self { host, port, tls, login, from, authority };
        match Mailer::new(&config) {
            Ok(_) => Some(config),
            Err(MailError::From) => {
                settings.mistake("TSUNAGI_SMTP_FROM", "is not an address, nor a name and an address in angle brackets");
                None
            }
            Err(MailError::Tls) => {
                settings.mistake("TSUNAGI_SMTP_AUTHORITY", "holds no certificate that can be used");
                None
            }
        }
    }
}

/// The server that a URL names.
fn server(url: &Url) -> Option<(String, u16, MailTls)> {
    let host = url.host_str().filter(|host| !host.is_empty())?.trim_matches(['[', ']']).to_owned();
    let bare = url.username().is_empty() && url.password().is_none() && matches!(url.path(), "" | "/");
    if !bare || url.query().is_some() || url.fragment().is_some() {
        return None;
    }
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let (tls, port) = match url.scheme() {
        "smtps" => (MailTls::Implicit, 465),
        "smtp" if loopback => (MailTls::None, 25),
        "smtp" => (MailTls::Starttls, 587),
        _ => return None,
    };
    Some((host, url.port().unwrap_or(port), tls))
}

/// A way to the mail server.
#[derive(Clone)]
pub(crate) struct Mailer {
    host: String,
    port: u16,
    tls: Option<TlsParameters>,
    starttls: bool,
    login: Option<Credentials>,
    from: Mailbox,
    /// How this program greets.
    name: ClientId,
}

/// What is to be sent, and to whom.
pub(crate) struct Letter {
    envelope: Envelope,
    text: Vec<u8>,
}

/// A mail server that waits for the message.
pub(crate) struct Offered(AsyncSmtpConnection);

impl Mailer {
    pub(crate) fn new(config: &MailConfig) -> Result<Self, MailError> {
        let from: Mailbox = config.from.parse().map_err(|_| MailError::From)?;
        let tls = match config.tls {
            MailTls::None => None,
            MailTls::Implicit | MailTls::Starttls => {
                let mut builder = TlsParameters::builder(config.host.clone());
                if let Some(pem) = &config.authority {
                    // What holds no certificate is read as an empty list of them.
                    if !pem.contains("-----BEGIN CERTIFICATE-----") {
                        return Err(MailError::Tls);
                    }
                    let certificate = Certificate::from_pem(pem.as_bytes()).map_err(|_| MailError::Tls)?;
                    builder = builder.add_root_certificate(certificate);
                }
                Some(builder.build_rustls().map_err(|_| MailError::Tls)?)
            }
        };
        let login = config.login.as_ref();
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            tls,
            starttls: config.tls == MailTls::Starttls,
            login: login.map(|(user, password)| Credentials::new(user.clone(), password.expose().to_owned())),
            name: ClientId::Domain(from.email.domain().to_owned()),
            from,
        })
    }

    /// The letter of a notice: plain text, with a Message-ID that follows from the notice, so that a repetition can be told; none:
    /// `to` is no address. No word of title or body can become a header.
    pub(crate) fn letter(&self, id: Uuid, to: &str, title: &str, body: &str, time: Timestamp) -> Option<Letter> {
        let to: Address = to.parse().ok()?;
        // A server may not take others, and no address of ours is one.
        if !AsRef::<str>::as_ref(&to).is_ascii() {
            return None;
        }
        let automatic = HeaderName::new_from_ascii("Auto-Submitted".to_owned()).ok()?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(title)
            .date(time.into())
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(body.to_owned())
            .ok()?;
        Some(Letter { envelope: message.envelope().clone(), text: message.formatted() })
    }

    /// The first half: until the server waits for the message.
    pub(crate) async fn offer(&self, letter: &Letter) -> Result<Offered, Outcome> {
        let offered = tokio::time::timeout(OFFER_WITHIN, self.try_offer(letter)).await;
        offered.unwrap_or(Err(Outcome::NotNow))
    }

    async fn try_offer(&self, letter: &Letter) -> Result<Offered, Outcome> {
        let implicit = self.tls.clone().filter(|_| !self.starttls);
        let server = (self.host.as_str(), self.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_WITHIN), &self.name, implicit, None);
        // A server that greets with a refusal refuses us, not the letter; so does one that knows no TLS or not our password.
        let mut connection = connecting.await.map_err(|_| Outcome::NotNow)?;
        if let (true, Some(tls)) = (self.starttls, self.tls.clone()) {
            connection.starttls(tls, &self.name).await.map_err(|_| Outcome::NotNow)?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await.map_err(|_| Outcome::NotNow)?;
        }
        let refused = |error: lettre::transport::smtp::Error| {
            if error.is_permanent() { Outcome::Refused } else { Outcome::NotNow }
        };
        let from = letter.envelope.from().cloned();
        connection.command(Mail::new(from, Vec::new())).await.map_err(refused)?;
        for to in letter.envelope.to() {
            connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(refused)?;
        }
        connection.command(Data).await.map_err(refused)?;
        Ok(Offered(connection))
    }
}

impl Offered {
    /// The second half: hands the letter over.
    pub(crate) async fn hand_over(mut self, letter: &Letter) -> Outcome {
        let outcome = match tokio::time::timeout(TAKE_WITHIN, self.0.message(&letter.text)).await {
            Ok(Ok(_)) => Outcome::Taken,
            Ok(Err(error)) if error.is_permanent() => Outcome::Refused,
            Ok(Err(error)) if error.is_transient() => Outcome::NotNow,
            Ok(Err(_)) | Err(_) => Outcome::Unknown,
        };
        if outcome != Outcome::Unknown {
            // Whatever comes of this changes nothing.
            let _ = tokio::time::timeout(LEAVE_WITHIN, self.0.quit()).await;
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer() -> Mailer {
        Mailer::new(&MailConfig {
            host: "127.0.0.1".to_owned(),
            port: 25,
            tls: MailTls::None,
            login: None,
            from: "つなぎ <notices@shop.example>".to_owned(),
            authority: None,
        })
        .unwrap()
    }

    fn written(letter: &Letter) -> String {
        String::from_utf8(letter.text.clone()).unwrap()
    }

    #[test]
    fn a_server_is_told_by_its_url_and_without_tls_on_loopback_alone() {
        let server = |text: &str| server(&Url::parse(text).unwrap());
        let of = |host: &str, port, tls| Some((host.to_owned(), port, tls));
        assert_eq!(server("smtps://mail.example"), of("mail.example", 465, MailTls::Implicit));
        assert_eq!(server("smtp://mail.example"), of("mail.example", 587, MailTls::Starttls));
        assert_eq!(server("smtp://10.0.0.1:25"), of("10.0.0.1", 25, MailTls::Starttls));
        assert_eq!(server("smtp://127.0.0.1:2525"), of("127.0.0.1", 2525, MailTls::None));
        assert_eq!(server("smtp://[::1]:2525"), of("::1", 2525, MailTls::None));
        assert_eq!(server("smtps://127.0.0.1"), of("127.0.0.1", 465, MailTls::Implicit));
        for wrong in ["https://mail.example", "smtp://user@mail.example", "smtp://mail.example/?tls=none", "smtp:mail"]
        {
            assert_eq!(server(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_word_becomes_a_header_and_a_repetition_has_the_same_name() {
        let (id, time) = (Uuid::from_u128(7), Timestamp::from_timestamp(1_700_000_000, 0).unwrap());
        let letter = |title: &str, body: &str| mailer().letter(id, "sato@shop.example", title, body, time).unwrap();
        for title in [
            "x\r\nBcc: spy@evil.example",
            "x\nBcc: spy@evil.example",
            "花子\r\nBcc: spy@evil.example",
            "=?utf-8?q?x?=\r\nBcc: a@b.c",
        ] {
            let text = written(&letter(title, "Bcc: body@evil.example\r\n.\r\nMAIL FROM:<x@y.z>"));
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            assert!(!head.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{head}");
            assert!(head.contains("Message-ID: <00000000-0000-0000-0000-000000000007@shop.example>"), "{head}");
            assert!(head.contains("Content-Type: text/plain; charset=utf-8"), "{head}");
            assert!(text.is_ascii(), "{text}");
        }
        for nobody in ["", "sato", "sato@shop.example\r\nBcc: spy@evil.example", "a@b.c, d@e.f", "佐藤@shop.example"]
        {
            assert!(mailer().letter(id, nobody, "x", "y", time).is_none(), "{nobody:?}");
        }
    }

    #[test]
    fn settings_that_do_not_fit_together_are_told() {
        let read = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let mut settings = Settings::from_map(given);
            let config = MailConfig::read(&mut settings);
            (config.is_some(), settings.finish().map_err(|error| error.mistakes.join("\n")))
        };
        assert_eq!(read(&[]), (false, Ok(())));
        let (url, from) = (("TSUNAGI_SMTP_URL", "smtps://mail.example"), ("TSUNAGI_SMTP_FROM", "a@shop.example"));
        assert_eq!(read(&[url, from]), (true, Ok(())));
        for (given, wrong) in [
            (vec![url], "TSUNAGI_SMTP_FROM"),
            (vec![url, ("TSUNAGI_SMTP_FROM", "nobody")], "TSUNAGI_SMTP_FROM"),
            (vec![("TSUNAGI_SMTP_URL", "https://mail.example"), from], "TSUNAGI_SMTP_URL"),
            (vec![url, from, ("TSUNAGI_SMTP_USERNAME", "a")], "TSUNAGI_SMTP_USERNAME"),
            (vec![url, from, ("TSUNAGI_SMTP_AUTHORITY", "no certificate")], "TSUNAGI_SMTP_AUTHORITY"),
        ] {
            let (there, told) = read(&given);
            assert!(!there && told.unwrap_err().starts_with(wrong), "{wrong}");
        }
    }
}
