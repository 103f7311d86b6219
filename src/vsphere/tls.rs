//! Which certificates are acceptable: system roots, a CA bundle, or one pinned certificate.
//! The cryptography is ring's, named explicitly. Nothing here knows HTTP or SOAP, and nothing here can accept any certificate.

use std::fmt::Write as _;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};

use crate::vsphere::config::Trust;
use crate::vsphere::error::Error;

/// Sets what the HTTP client trusts.
///
/// # Errors
///
/// [`Error::Config`] when the CA bundle holds no certificate.
pub(super) fn configure(
    builder: reqwest::ClientBuilder,
    trust: &Trust,
) -> Result<reqwest::ClientBuilder, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Config {
            what: "no TLS version is available",
        })?;
    let tls = match trust {
        Trust::System => {
            // reqwest's verifier of system roots takes the process's provider and panics when there is none.
            if CryptoProvider::get_default().is_none() {
                let _already_set = (*provider).clone().install_default();
            }
            return Ok(builder);
        }
        Trust::CaBundle(pem) => {
            let (roots, listed) = authorities(pem)?;
            let authorities = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
            let authorities = authorities.build().map_err(|_| Error::Config {
                what: "the CA bundle holds no authority that can be used",
            })?;
            tls.dangerous()
                .with_custom_certificate_verifier(Arc::new(Listed {
                    authorities,
                    listed,
                }))
                .with_no_client_auth()
        }
        Trust::Thumbprint(pinned) => tls
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned {
                thumbprint: *pinned,
                provider,
            }))
            .with_no_client_auth(),
    };
    Ok(builder.tls_backend_preconfigured(tls))
}

fn authorities(pem: &[u8]) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Error> {
    let mut store = RootCertStore::empty();
    let mut listed = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.ok();
        let added = certificate.filter(|der| store.add(der.clone()).is_ok());
        let Some(der) = added else {
            return Err(Error::Config {
                what: "the CA bundle holds something that is not a certificate",
            });
        };
        listed.push(der);
    }
    if store.is_empty() {
        return Err(Error::Config {
            what: "the CA bundle holds no certificate",
        });
    }
    Ok((store, listed))
}

/// Accepts what an authority of the bundle vouches for, and a certificate that stands in the bundle itself: people give the
/// certificate of a server that signed its own, which is no authority's word for a server. It must be for the server's
/// name; its dates are not looked at, as for a pinned one.
#[derive(Debug)]
struct Listed {
    authorities: Arc<WebPkiServerVerifier>,
    listed: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let vouched = self.authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        vouched.or_else(|error| {
            if !self.listed.iter().any(|one| one == end_entity) {
                return Err(error);
            }
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            Ok(ServerCertVerified::assertion())
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Accepts one certificate; that its holder is at the other end is proved by the handshake's signature as ever.
#[derive(Debug)]
struct Pinned {
    thumbprint: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found: [u8; 32] = Sha256::digest(end_entity).into();
        if found == self.thumbprint {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(format!(
            "the server's certificate has the SHA-256 thumbprint {}, which is not the pinned one",
            shown(&found)
        )))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// `AB:CD:…`, as vSphere's own tools print thumbprints.
fn shown(thumbprint: &[u8]) -> String {
    thumbprint.iter().fold(String::new(), |mut text, byte| {
        if !text.is_empty() {
            text.push(':');
        }
        let _infallible = write!(text, "{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        for pem in [
            &b""[..],
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert!(matches!(authorities(pem), Err(Error::Config { .. })));
        }
    }

    #[test]
    fn a_thumbprint_is_shown_as_vsphere_shows_it() {
        assert_eq!(shown(&[0xab, 0x01]), "AB:01");
    }
}
