//! Whose certificates are believed of servers over `https`: those of this machine, and those
//! that an operator names beside them.
//!
//! Nothing connects here. What connects takes its settings from here, so that models and
//! requests of plugins believe the same.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{CertificateError, ClientConfig, RootCertStore};

/// Why servers can't be believed or disbelieved.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of certificates can't be read.
    #[error("can't read certificates from `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// There is no certificate in a file.
    #[error("`{0}` has no certificate; such files have `-----BEGIN CERTIFICATE-----`")]
    Empty(PathBuf),
    /// What a file says is a certificate is none.
    #[error("`{path}` has a certificate that can't be used")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// This machine has no certificates.
    #[error("this machine has no certificates by which servers are believed: {0}")]
    NoneHere(String),
    /// The library refuses the settings.
    #[error("can't set up TLS")]
    Setup(#[source] rustls::Error),
}

/// Authorities that an operator names beside those that this machine knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Reads certificates from files in PEM, each of which must have one.
    pub fn read(paths: &[PathBuf]) -> Result<Self, TlsError> {
        let mut all = Vec::new();
        for path in paths {
            all.extend(read(path)?);
        }
        Ok(Self(all))
    }

    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The certificates, one after the other.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|certificate| certificate.to_vec()).collect()
    }

    /// Settings for who connects. Reads the machine's certificates, or those to which
    /// `SSL_CERT_FILE` or `SSL_CERT_DIR` lead.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let mut roots = RootCertStore::empty();
        let here = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(here.certs);
        roots.add_parsable_certificates(self.0.iter().cloned());
        if roots.is_empty() {
            let why = here.errors.first().map(ToString::to_string);
            return Err(TlsError::NoneHere(why.unwrap_or_else(|| "there are none".to_owned())));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// Why a server's certificate was not believed, if that is what an error comes from.
pub fn disbelief(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref() {
            // A signature is bad where somebody bears the name of one that is known.
            Some(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => {
                return Some("no authority that is known here vouches for its certificate".into());
            }
            Some(rustls::Error::InvalidCertificate(why)) => return Some(why.to_string()),
            _ => {}
        }
        // What it was made of is not the cause that it names.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let to_error = |source| TlsError::Read { path: path.to_owned(), source };
    let all = CertificateDer::pem_file_iter(path).map_err(to_error)?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(to_error)?;
    if all.is_empty() {
        return Err(TlsError::Empty(path.to_owned()));
    }
    for certificate in &all {
        let added = RootCertStore::empty().add(certificate.clone());
        added.map_err(|source| TlsError::Certificate { path: path.to_owned(), source })?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_without_a_certificate_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let read = || Authorities::read(std::slice::from_ref(&path)).unwrap_err();
        assert!(matches!(read(), TlsError::Read { .. }));
        std::fs::write(&path, "nothing\n").unwrap();
        assert!(matches!(read(), TlsError::Empty(_)));
        let none = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, none).unwrap();
        assert!(matches!(read(), TlsError::Certificate { .. }));
        assert!(Authorities::read(&[]).unwrap().is_empty());
    }
}
