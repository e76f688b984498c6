//! What a request by base URL takes longer than one that goes straight to its upstream, beside nginx as a TLS-to-TLS reverse proxy to the same upstream.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::load::{self, Target};
use super::process::{self, Folder, Server};
use super::{Figure, Limit, median, progress};

/// All of it.
pub fn measure() -> Result<Vec<Figure>> {
    let folder = Folder::make("base-url")?;
    let (upstream, proxy) = (free_port()?, free_port()?);
    make_certificate(&folder)?;
    let _nginx = Nginx::start(&folder, upstream, proxy)?;
    let data = folder.path("data");
    fs::create_dir(&data)?;
    restrict(&data)?;
    let settings = format!(
        "[gateway]\nresolve = {{ \"{HOST}:443\" = \"127.0.0.1:{upstream}\" }}\nupstream_ca = \"{}\"\n",
        folder.path("certificate.pem").display()
    );
    fs::write(data.join("tightlip.toml"), settings)?;
    let server = Server::start(&data)?;
    let inside = Inside::make(&server, &data)?;
    let outside = |port: u16| -> Result<f64> {
        let url = format!("https://{HOST}:{port}/x?n=[1-{REQUESTS}]");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", FORMAT, "--resolve", &format!("{HOST}:{port}:127.0.0.1"), "--cacert"]);
        let output = curl.arg(folder.path("certificate.pem")).arg(url).output()?;
        ensure!(output.status.success(), "curl failed: {}", String::from_utf8_lossy(&output.stderr));
        times(&String::from_utf8(output.stdout)?)
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (direct, nginx, own) = (outside(upstream)?, outside(proxy)?, inside.round(&server)?);
        progress(&format!("b3: round {round}/{ROUNDS}: straight {direct:.3} ms, nginx {nginx:.3} ms, base URL {own:.3} ms (p50)"));
        if round > 0 {
            ours.push(own - direct);
            theirs.push(nginx - direct);
        }
    }
    server.stop()?;
    let (ours, theirs) = (median(ours), median(theirs));
    Ok(vec![Figure {
        bar: "B3",
        promise: "what a request by base URL takes longer than straight, on a connection that is kept (p50); scrubbed, recorded, decided anew",
        measured: ours,
        unit: "ms",
        limit: Limit::Most(0.5),
        detail: format!("nginx, TLS to TLS, adds {theirs:.3} ms; medians of {ROUNDS} rounds of {REQUESTS} requests by curl"),
    }])
}

/// A devbox with a gateway.
struct Inside {
    id: String,
}

impl Inside {
    fn make(server: &Server, data: &Path) -> Result<Self> {
        let target = Target { address: server.address(), key: &server.key };
        load::ask(target, "/v1/secrets", r#"{"name":"BENCH","value":"bench-0123456789-0123456789-0123456789"}"#)?;
        let mut bind = process::command("tightlip");
        bind.args(["bind", "BENCH", "--host", HOST, "--data"]).arg(data).stdout(Stdio::null());
        ensure!(bind.status()?.success(), "the secret was not bound");
        let config = format!(r#"{{"name":"bench","endpoint":"https://{HOST}","auth_mechanism":{{"type":"bearer"}}}}"#);
        load::ask(target, "/v1/gateway-configs", &config)?;
        let wanted = r#"{"gateways":{"B":{"gateway":"bench","secret":"BENCH"}}}"#;
        let made = load::ask(target, "/v1/devboxes/create_and_await_running", wanted)?;
        let id = made.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).context("a devbox without an id")?;
        Ok(Self { id: id.to_owned() })
    }

    fn round(&self, server: &Server) -> Result<f64> {
        let target = Target { address: server.address(), key: &server.key };
        // The answer shows the last hundred lines: the middle of them is found inside.
        let line = format!(
            "curl -sS -o /dev/null -w '{FORMAT}' -H \\\"Authorization: Bearer $B\\\" \\\"$B_URL/x?n=[1-{REQUESTS}]\\\" | sort -n | sed -n {}p",
            REQUESTS / 2
        );
        let body = format!(r#"{{"command":"{}"}}"#, line.replace("\\n", "\\\\n"));
        let answer = load::ask(target, &format!("/v1/devboxes/{}/execute", self.id), &body)?;
        let shown = answer.split("\"stdout\":\"").nth(1).and_then(|rest| rest.split(['\\', '"']).next()).context("no output")?;
        Ok(shown.trim().parse::<f64>().with_context(|| format!("an odd answer: {answer}"))? * 1e3)
    }
}

/// The middle of curl's times, in milliseconds.
fn times(text: &str) -> Result<f64> {
    let values = text.lines().map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?;
    ensure!(values.len() == REQUESTS, "{} of {REQUESTS} requests were answered", values.len());
    Ok(median(values) * 1e3)
}

struct Nginx(Child);

impl Nginx {
    /// An upstream and a proxy before it, in one nginx with one worker.
    fn start(folder: &Folder, upstream: u16, proxy: u16) -> Result<Self> {
        let root = folder.path("nginx");
        fs::create_dir(&root)?;
        let tls = format!(
            "ssl_certificate {}; ssl_certificate_key {}; keepalive_requests 1000000;",
            folder.path("certificate.pem").display(),
            folder.path("key.pem").display()
        );
        let text = format!(
            "daemon off; worker_processes 1; error_log stderr; pid {root}/pid;\nevents {{ worker_connections 512; }}\nhttp {{ access_log off;\n\
             client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;\n\
             upstream back {{ server 127.0.0.1:{upstream}; keepalive 16; }}\n\
             server {{ listen 127.0.0.1:{upstream} ssl; {tls} location / {{ return 200 'well\\n'; }} }}\n\
             server {{ listen 127.0.0.1:{proxy} ssl; {tls} location / {{ proxy_pass https://back; proxy_http_version 1.1;\n\
             proxy_set_header Connection ''; proxy_set_header Authorization 'Bearer x'; }} }} }}\n",
            root = root.display()
        );
        let file = root.join("nginx.conf");
        fs::write(&file, text)?;
        let child =
            Command::new("nginx").arg("-c").arg(&file).stderr(Stdio::null()).spawn().context("nginx is missing: install nginx-light")?;
        let nginx = Self(child);
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", proxy)).is_ok() {
                return Ok(nginx);
            }
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
        anyhow::bail!("nginx did not start")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its worker ends with it.
        drop(Command::new("kill").arg(self.0.id().to_string()).status());
        drop(self.0.wait());
    }
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
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?)
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

const HOST: &str = "api.example.test";
const FORMAT: &str = "%{time_total}\\n";
const REQUESTS: usize = 400;
const ROUNDS: usize = 5;
