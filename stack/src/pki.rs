//! A certificate authority of our own for everything that listens here, so that every client can check whom it talks
//! to and nothing needs an "insecure" switch.

use std::fmt::{self, Write as _};
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use sha2::{Digest as _, Sha256};

/// The authority, and the folder that its certificates go to.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// A certificate with its key, as files.
#[derive(Debug, Clone)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// SHA-256 of the certificate, in upper-case hexadecimal with colons, as vCenter and `openssl` show it.
    pub thumbprint: String,
}

impl Authority {
    /// Makes one and writes its certificate to `dir/ca.crt`.
    pub fn create(dir: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let authority = Self {
            issuer,
            dir: dir.to_owned(),
        };
        fs::write(authority.certificate_file(), authority.issuer.pem())?;
        Ok(authority)
    }

    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// For a server on this machine: valid for 127.0.0.1, localhost and `names`.
    pub fn server(&self, name: &str, names: &[&str]) -> Result<Identity> {
        let names: Vec<String> = ["127.0.0.1", "localhost"]
            .iter()
            .chain(names)
            .map(|&name| name.to_owned())
            .collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(name, params)
    }

    /// For a server of another name: not for 127.0.0.1.
    pub fn server_elsewhere(&self, name: &str, host: &str) -> Result<Identity> {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(name, params)
    }

    /// For a server on this machine, and long expired.
    pub fn expired_server(&self, name: &str) -> Result<Identity> {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(name, params)
    }

    /// For a client of the API server, which takes the user from the common name and its group from the organization.
    pub fn client(&self, user: &str, group: &str) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(user, params)
    }

    fn issue(&self, name: &str, mut params: CertificateParams) -> Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let identity = Identity {
            certificate: self.dir.join(format!("{name}.crt")),
            key: self.dir.join(format!("{name}.key")),
            thumbprint: thumbprint(certificate.der()),
        };
        fs::write(&identity.certificate, certificate.pem())?;
        write_private(&identity.key, &key.serialize_pem())?;
        Ok(identity)
    }
}

/// An authority's certificate and one server's, made once for a folder and found there again, so that a server that is
/// stopped and started is the same one to its clients.
#[derive(Debug, Clone)]
pub(crate) struct ServerFiles {
    pub(crate) ca_file: PathBuf,
    pub(crate) ca_pem: String,
    pub(crate) identity: Identity,
}

impl ServerFiles {
    pub(crate) fn in_folder(dir: &Path, name: &str) -> Result<Self> {
        let remembered = dir.join(format!("{name}.thumbprint"));
        let identity = match fs::read_to_string(&remembered) {
            Ok(thumbprint) => Identity {
                certificate: dir.join(format!("{name}.crt")),
                key: dir.join(format!("{name}.key")),
                thumbprint,
            },
            Err(_) => {
                let identity =
                    Authority::create(dir, &format!("stack {name}"))?.server(name, &[])?;
                // Last, so that it stands for a whole set.
                fs::write(&remembered, &identity.thumbprint)?;
                identity
            }
        };
        let ca_file = dir.join("ca.crt");
        let ca_pem =
            fs::read_to_string(&ca_file).with_context(|| format!("read {}", ca_file.display()))?;
        Ok(Self {
            ca_file,
            ca_pem,
            identity,
        })
    }
}

/// A key pair without a certificate, `NAME.key` and `NAME.pub`: for ServiceAccount tokens.
pub(crate) fn signing_key(dir: &Path, name: &str) -> Result<()> {
    let pair = KeyPair::generate()?;
    fs::write(dir.join(format!("{name}.pub")), pair.public_key_pem())?;
    write_private(&dir.join(format!("{name}.key")), &pair.serialize_pem())
}

/// Keys and tokens are for their owner alone, also for the moment between creating and filling the file.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
}

fn thumbprint(der: &[u8]) -> String {
    Sha256::digest(der)
        .iter()
        .enumerate()
        .fold(String::new(), |mut text, (index, byte)| {
            let separator = if index == 0 { "" } else { ":" };
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator}{byte:02X}");
            text
        })
}
