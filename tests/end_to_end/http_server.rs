//! A server on loopback that says how often it was asked, by itself or over TLS, and authorities
//! that vouch for it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A server at work until the test's process ends. What is asked below `/echo` it repeats.
pub(crate) struct HttpServer {
    pub(crate) at: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl HttpServer {
    /// Starts one that is spoken to as it is.
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts one over TLS, for which this authority vouches under a name or an address.
    pub(crate) fn start_over_tls(authority: &Authority, name: &str) -> Self {
        Self::start_with(Some(Arc::new(authority.vouch_for(name))))
    }

    fn start_with(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                // Who does not believe the server, or goes away, asks nothing.
                let _ = match tls.clone() {
                    None => answer(stream, &kept),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        answer(StreamOwned::new(connection, stream), &kept)
                    }
                };
            }
        });
        Self { at, asked }
    }

    /// The requests so far, as they came.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: impl Read + Write, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut asked = String::new();
    let mut bytes = [0; 4096];
    while !is_whole(&asked) {
        let len = stream.read(&mut bytes)?;
        if len == 0 {
            return Ok(());
        }
        asked += &String::from_utf8_lossy(&bytes[..len]);
    }
    let mut kept = kept.lock().unwrap();
    kept.push(asked);
    let last = kept.last().unwrap();
    let is_echo = last.starts_with("GET /echo");
    // Logs are shown by their first lines.
    let body = if is_echo { last.replace("\r\n", " | ") } else { format!("answer {}", kept.len()) };
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    stream.flush()
}

fn is_whole(asked: &str) -> bool {
    let Some((head, body)) = asked.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// Somebody who vouches for servers, and whom nobody knows.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One that goes by this name, as others may.
    pub(crate) fn called(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate, as operators have it.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn vouch_for(&self, name: &str) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let chain = vec![params.signed_by(&key, &self.0).unwrap().der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        builder.with_no_client_auth().with_single_cert(chain, key).unwrap()
    }
}
