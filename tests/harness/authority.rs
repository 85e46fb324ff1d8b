//! Certificates, made when a test needs them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::time::Duration;
use tidings_scripted_relay::Identity;

/// A certificate authority that nobody knows but the test.
pub struct Authority {
    /// Its certificate in PEM format, for `ca_file`.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that an authority has issued, with its key, both in PEM format.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key from the operating system's randomness");
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate of our own");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for these host names and addresses.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.sign(&named("relay.example.net", names))
    }

    /// One that expired on 2 March 2020.
    pub fn issue_expired(&self, names: &[&str]) -> Issued {
        let mut params = named("relay.example.net", names);
        params.not_before = date_time_ymd(2019, 3, 2);
        params.not_after = date_time_ymd(2020, 3, 2);
        self.sign(&params)
    }

    /// One that expires when `left` is over.
    #[allow(
        clippy::disallowed_methods,
        reason = "a certificate is judged by the machine's clock"
    )]
    pub fn issue_for(&self, names: &[&str], left: Duration) -> Issued {
        let mut params = named("relay.example.net", names);
        params.not_after = (std::time::SystemTime::now() + left).into();
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().expect("a key from the operating system's randomness");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a signature of our own");
        Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Issued {
    /// For a scripted relay.
    pub fn identity(&self) -> Identity {
        Identity::from_pem(&self.certificate, &self.key).expect("a certificate of our own")
    }

    /// For a scripted relay that wants certificates of its clients too.
    pub fn identity_asking(&self, authority: &Authority) -> Identity {
        Identity::asking_for_certificates_of(&self.certificate, &self.key, &authority.pem)
            .expect("a certificate of our own")
    }
}

fn named(common: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names that a certificate can have");
    params.distinguished_name.push(DnType::CommonName, common);
    params
}
