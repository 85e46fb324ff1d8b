//! Amazon SNS: each message is signed over some of its fields, with a certificate that it names.

use super::certificates::{Certificate, Certificates};
use super::refused::Refused;
use data_encoding::BASE64;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use serde::Deserialize;
use tidings_campaign::time::Timestamp;
use url::Url;

/// The topic whose messages are taken, and no other's: anybody can have SNS sign messages of a topic of his own.
#[derive(Clone, Debug)]
pub struct Topic {
    arn: String,
    /// The only host from which certificates come, and where subscriptions are confirmed.
    host: String,
    /// Whether signatures with SHA-1 are taken too.
    takes_version_1: bool,
}

impl Topic {
    /// The topic of that ARN (`arn:aws:sns:REGION:ACCOUNT:NAME`). `takes_version_1`: whether signatures with SHA-1 do.
    pub fn new(arn: &str, takes_version_1: bool) -> Option<Topic> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else {
            return None;
        };
        let end = match partition {
            "aws-cn" => "amazonaws.com.cn",
            "aws" | "aws-us-gov" => "amazonaws.com",
            _ => return None,
        };
        let fits = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        let is_region = !region.is_empty() && region.bytes().all(fits);
        let is_account = !account.is_empty() && account.bytes().all(|octet| octet.is_ascii_digit());
        (is_region && is_account && !name.is_empty()).then(|| Topic {
            arn: arn.to_owned(),
            host: format!("sns.{region}.{end}"),
            takes_version_1,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Envelope {
    #[serde(rename = "Type")]
    kind: Kind,
    message: String,
    pub(super) message_id: String,
    timestamp: String,
    topic_arn: String,
    subject: Option<String>,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    signature: String,
    signature_version: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Kind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Kind::Notification => "Notification",
            Kind::SubscriptionConfirmation => "SubscriptionConfirmation",
            Kind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// What is to be done about a message that is authentic.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To read what it says.
    Read,
    /// To confirm the subscription there.
    Confirm(Url),
    /// Nothing: the subscription has ended.
    Ended,
}

/// Whether a post is a message of our topic, signed by SNS.
pub(super) async fn check(
    topic: &Topic,
    certificates: &Certificates,
    now: Timestamp,
    body: &[u8],
) -> Result<(Envelope, Wish), Refused> {
    let envelope: Envelope = serde_json::from_slice(body)
        .map_err(|_| Refused::Forged("this is no signed message of SNS; raw message delivery must be off"))?;
    if envelope.topic_arn != topic.arn {
        return Err(Refused::Forbidden("This is another topic than the webhook's."));
    }
    let url = certificate_url(topic, &envelope.signing_cert_url).ok_or(Refused::Forged(
        "its certificate is not at an address of SNS in the topic's region",
    ))?;
    let certificate = certificates
        .at(&url)
        .await
        .map_err(|error| Refused::Later(format!("The certificate of SNS cannot be fetched now: {error}.")))?;
    envelope.verify(topic, &certificate, now)?;
    let wish = match envelope.kind {
        Kind::Notification => Wish::Read,
        Kind::UnsubscribeConfirmation => Wish::Ended,
        Kind::SubscriptionConfirmation => {
            let url = envelope.confirmation(topic);
            Wish::Confirm(url.ok_or(Refused::Forbidden(
                "Its SubscribeURL is not at SNS in the topic's region.",
            ))?)
        }
    };
    Ok((envelope, wish))
}

/// The address, if it is one of SNS in the region.
fn at_sns(topic: &Topic, text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_there = url.scheme() == "https"
        && url.host_str() == Some(&topic.host)
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    is_there.then_some(url)
}

fn certificate_url(topic: &Topic, text: &str) -> Option<Url> {
    let url = at_sns(topic, text)?;
    let is_certificate = url.path().starts_with("/SimpleNotificationService-")
        && url.path().ends_with(".pem")
        && url.query().is_none()
        && url.fragment().is_none();
    is_certificate.then_some(url)
}

impl Envelope {
    fn verify(&self, topic: &Topic, certificate: &Certificate, now: Timestamp) -> Result<(), Refused> {
        let algorithm = match self.signature_version.as_str() {
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            "1" if topic.takes_version_1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "1" => {
                return Err(Refused::Forged(
                    "it is of version 1 (SHA-1); set the topic's SignatureVersion to 2, or allow_signature_version_1",
                ));
            }
            _ => return Err(Refused::Forged("its version is not known")),
        };
        if !certificate.is_valid(now) {
            return Err(Refused::Forged("its certificate is not valid today"));
        }
        let signature = BASE64
            .decode(self.signature.as_bytes())
            .map_err(|_| Refused::Forged("it is not base64"))?;
        let signed = self
            .signed()
            .ok_or(Refused::Forged("a field has a line break in it"))?;
        UnparsedPublicKey::new(algorithm, &certificate.key)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| Refused::Forged("it is not of SNS, or something was changed"))
    }

    /// What is signed: names and values on lines of their own. Only a message may have line breaks in it, or its end could be
    /// taken for another field.
    fn signed(&self) -> Option<String> {
        let (token, subscribe_url) = (self.token.as_deref(), self.subscribe_url.as_deref());
        let is_notification = self.kind == Kind::Notification;
        let fields = [
            ("Message", Some(self.message.as_str())),
            ("MessageId", Some(&self.message_id)),
            ("Subject", self.subject.as_deref().filter(|_| is_notification)),
            ("SubscribeURL", subscribe_url.filter(|_| !is_notification)),
            ("Timestamp", Some(&self.timestamp)),
            ("Token", token.filter(|_| !is_notification)),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(self.kind.as_str())),
        ];
        let mut signed = String::with_capacity(self.message.len() + 1024);
        for (name, value) in fields {
            let Some(value) = value else { continue };
            if name != "Message" && value.contains('\n') {
                return None;
            }
            for part in [name, "\n", value, "\n"] {
                signed.push_str(part);
            }
        }
        Some(signed)
    }

    /// Where the subscription is confirmed: at SNS, for this topic and nothing else.
    fn confirmation(&self, topic: &Topic) -> Option<Url> {
        let url = at_sns(topic, self.subscribe_url.as_deref()?)?;
        let has = |name: &str, value: &str| url.query_pairs().any(|pair| pair.0 == name && pair.1 == value);
        let is_confirmation = url.path() == "/"
            && has("Action", "ConfirmSubscription")
            && has("TopicArn", &topic.arn)
            && has("Token", self.token.as_deref()?);
        is_confirmation.then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sns:eu-west-1:123456789012:bounces";

    #[test]
    fn certificates_come_from_sns_in_the_topics_region_only() {
        let topic = Topic::new(ARN, false).unwrap();
        let file = "/SimpleNotificationService-abc.pem";
        let good = format!("https://sns.eu-west-1.amazonaws.com{file}");
        assert!(certificate_url(&topic, &good).is_some());
        for bad in [
            format!("http://sns.eu-west-1.amazonaws.com{file}"),
            format!("https://sns.us-east-1.amazonaws.com{file}"),
            format!("https://sns.eu-west-1.amazonaws.com.evil.test{file}"),
            format!("https://evil.test/sns.eu-west-1.amazonaws.com{file}"),
            format!("https://sns.eu-west-1.amazonaws.com@evil.test{file}"),
            format!("https://user@sns.eu-west-1.amazonaws.com{file}"),
            format!("https://sns.eu-west-1.amazonaws.com:8443{file}"),
            format!("https://sns.eu-west-1.amazonaws.com{file}?x=1"),
            "https://sns.eu-west-1.amazonaws.com/?Action=ListTopics&x=.pem".to_owned(),
            "https://sns.eu-west-1.amazonaws.com/../evil.pem".to_owned(),
            "sns.eu-west-1.amazonaws.com".to_owned(),
        ] {
            assert!(certificate_url(&topic, &bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn only_an_arn_of_a_topic_is_one() {
        assert_eq!(
            Topic::new("arn:aws-cn:sns:cn-north-1:123456789012:b", false)
                .unwrap()
                .host,
            "sns.cn-north-1.amazonaws.com.cn"
        );
        for arn in [
            "",
            "bounces",
            "arn:aws:sqs:eu-west-1:123456789012:bounces",
            "arn:aws:sns:evil.test/:123456789012:bounces",
            "arn:aws:sns::123456789012:bounces",
            "arn:aws:sns:eu-west-1:me:bounces",
            "arn:aws:sns:eu-west-1:123456789012:",
            "arn:evil:sns:eu-west-1:123456789012:bounces",
        ] {
            assert!(Topic::new(arn, false).is_none(), "{arn}");
        }
    }
}
