//! The baseline of what the gateway costs: nginx as a TLS-to-TLS reverse proxy, before the upstream that the gateway has too.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::process::{Folder, Server};

/// An upstream and a proxy before it, each an nginx with one worker. Ended when dropped.
pub struct Nginx {
    proxy: Child,
    upstream: Child,
    /// The proxy's port.
    pub proxy_port: u16,
    /// The upstream's port.
    pub upstream_port: u16,
}

impl Nginx {
    /// Starts both. The upstream says `well` to everything but what lies in `folder`'s `files`.
    pub fn start(folder: &Folder) -> Result<Self> {
        make_certificate(folder)?;
        fs::create_dir(folder.path("files"))?;
        fs::create_dir(folder.path(WORK))?;
        let [upstream_port, proxy_port] = [free_port()?, free_port()?];
        let files = folder.path("files");
        let back = format!("root {}; location / {{ try_files $uri @well; }} location @well {{ return 200 'well\\n'; }}", files.display());
        let before = "location / { proxy_pass https://back; proxy_http_version 1.1; proxy_set_header Connection ''; \
                      proxy_set_header Authorization 'Bearer x'; }";
        let upstream = start_one(folder, "upstream", upstream_port, "", &back)?;
        let back = format!("upstream back {{ server 127.0.0.1:{upstream_port}; keepalive 16; }}");
        let proxy = start_one(folder, "proxy", proxy_port, &back, before)?;
        Ok(Self { proxy, upstream, proxy_port, upstream_port })
    }

    /// The proxy's one worker.
    pub fn worker(&self) -> Result<u32> {
        let pid = self.proxy.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        Ok(children.split_whitespace().next().context("nginx has no worker")?.parse()?)
    }

    /// A server whose gateway dials the upstream for [`HOST`].
    pub fn gateway(&self, folder: &Folder) -> Result<Server> {
        gateway_before(self.upstream_port, folder, "data")
    }
}

/// A server on the folder `data`, whose gateway dials this port of loopback for [`HOST`].
pub fn gateway_before(port: u16, folder: &Folder, data: &str) -> Result<Server> {
    let data = folder.path(data);
    fs::create_dir(&data)?;
    restrict(&data)?;
    let certificate = folder.path("certificate.pem");
    let settings =
        format!("[gateway]\nresolve = {{ \"{HOST}:443\" = \"127.0.0.1:{port}\" }}\nupstream_ca = \"{}\"\n", certificate.display());
    fs::write(data.join("tightlip.toml"), settings)?;
    Server::start(&data)
}

impl Drop for Nginx {
    fn drop(&mut self) {
        for master in [&mut self.proxy, &mut self.upstream] {
            // Its worker ends with it.
            drop(Command::new("kill").arg(master.id().to_string()).status());
            drop(master.wait());
        }
    }
}

fn start_one(folder: &Folder, name: &str, port: u16, beside: &str, inside: &str) -> Result<Child> {
    let root = folder.path(name);
    fs::create_dir(&root)?;
    let text = format!(
        "daemon off; worker_processes 1; error_log stderr; pid {root}/pid;\nevents {{ worker_connections 512; }}\nhttp {{ access_log off; \
         sendfile on; client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d; \
         scgi_temp_path {root}/e;\n{beside}\nserver {{ listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {}; \
         keepalive_requests 100000000; {inside} }} }}\n",
        folder.path("certificate.pem").display(),
        folder.path("key.pem").display(),
        root = root.display(),
    );
    let file = root.join("nginx.conf");
    fs::write(&file, text)?;
    let mut child =
        Command::new("nginx").arg("-c").arg(&file).stderr(Stdio::null()).spawn().context("nginx is missing: install nginx-light")?;
    for _ in 0..100 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(child);
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    drop(child.kill());
    drop(child.wait());
    anyhow::bail!("nginx did not start")
}

fn make_certificate(folder: &Folder) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj"]);
    openssl.arg(format!("/CN={HOST}")).args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext"]);
    openssl.arg(format!("subjectAltName=DNS:{HOST}")).arg("-keyout").arg(folder.path("key.pem"));
    openssl.arg("-out").arg(folder.path("certificate.pem")).stderr(Stdio::null());
    ensure!(openssl.status().context("openssl is missing")?.success(), "no certificate was made");
    Ok(())
}

fn restrict(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // nginx's worker is another user where root starts it, and needs none of this.
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?)
}

/// A port of loopback that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The folder in which devboxes start: none may see the data folder.
pub const WORK: &str = "work";
/// The upstream's name.
pub const HOST: &str = "api.example.test";
