//! The TLS port's certificate in use: exchanged while the server runs when its files change. Connections that stand go on with the one they began with.

use std::sync::{Arc, PoisonError, RwLock};

use model::Clock;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::certificate::{Identity, Stamp, TlsError, TlsFiles};
use crate::desk::Desk;
use crate::limits::{HANDSHAKE_TIME, HANDSHAKES_MAX, TLS_LOOK};
use crate::places::Network;
use crate::shares::Shares;

/// What the TLS port serves with.
pub struct Tls {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
    /// The files as they were when they were read last, whether or not they were of use.
    read: [Option<Stamp>; 2],
    handshakes: Shares<Network>,
}

impl Tls {
    /// Reads the files, and lets the desk answer to the certificate's names.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles, desk: &Desk) -> Result<Self, TlsError> {
        let read = files.stamp();
        let identity = files.read()?;
        desk.hosts.certify(identity.names());
        Ok(Self { files, config: RwLock::new(identity.config), read, handshakes: Shares::new(HANDSHAKES_MAX, HANDSHAKES_MAX / 8) })
    }

    /// A client's TLS, once it has shaken hands; none where it does not in time, or its network has too many under way.
    pub(crate) async fn greet(&self, stream: TcpStream, network: Network) -> Option<TlsStream<TcpStream>> {
        let _turn = self.handshakes.try_take(&network)?;
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let greeted = tokio::time::timeout(HANDSHAKE_TIME, TlsAcceptor::from(config).accept(stream)).await;
        // What a client does wrong is its own: nothing here is ours to log.
        greeted.ok()?.ok()
    }

    /// Looks at the files for as long as it is polled, and exchanges the certificate when they have changed.
    pub(crate) async fn watch(&self, desk: Arc<Desk>, clock: Arc<dyn Clock>) {
        let (mut read, mut before) = (self.read, self.read);
        loop {
            tokio::time::sleep(TLS_LOOK).await;
            let files = self.files.clone();
            let now = tokio::task::spawn_blocking(move || files.stamp()).await.unwrap_or(before);
            // Two looks that agree: whoever replaces both files is not in the middle of it.
            if now != read && now == before {
                read = now;
                self.reload(&desk, clock.as_ref()).await;
            }
            before = now;
        }
    }

    async fn reload(&self, desk: &Desk, clock: &dyn Clock) {
        let files = self.files.clone();
        let Ok(again) = tokio::task::spawn_blocking(move || files.read()).await else { return };
        match again {
            Ok(identity) => {
                if let Some(warning) = identity.warning(clock.now()) {
                    tracing::warn!("{warning}");
                }
                desk.hosts.certify(identity.names());
                let Identity { config, .. } = identity;
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!("the API's TLS port has a new certificate");
            }
            Err(error) => tracing::warn!("the API's TLS port keeps the certificate it had: {}", chain(&error)),
        }
    }
}

fn chain(error: &TlsError) -> String {
    use std::error::Error;
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
