//! What a devbox sees: names, the clients that are there, and the hosts of a secret. The devbox is one of `tightlip run`, with the variables that were named.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use model::{Host, SecretName};
use prove::knock::{Answered, Door, ERRAND_VARIABLE, Errand, Said, TOKEN_VARIABLE, Tried, Trouble};

use super::super::fault::{Exit, Fault};
use super::super::run::environment;
use super::super::target::Target;
use super::clock;
use super::looks::Looks;

/// What a devbox is asked to try.
pub(super) struct Visit<'a> {
    pub(super) name: Option<&'a SecretName>,
    pub(super) doors: &'a [Door],
    /// Hosts that are to be reached whether they are bound or not.
    pub(super) hosts: &'a [Host],
    pub(super) env: &'a [OsString],
}

/// Refuses variables that `run` would refuse.
pub(super) fn check_env(env: &[OsString]) -> Result<(), Fault> {
    environment::given(env, &[]).map(drop)
}

/// Starts a devbox and tells what it saw.
pub(super) fn look(visit: &Visit<'_>, target: &Target, looks: &mut Looks) {
    let said = match said(visit, target) {
        Ok(said) => said,
        Err(fault) => return looks.fault("devbox", fault),
    };
    looks.ok("devbox", "starts, and its network leads to the gateway");
    for one in said {
        match one {
            Said::Names { found: true } => looks.ok("names", "are answered by the gateway"),
            Said::Names { found: false } => {
                let (found, mend) = blamed(
                    "no name is found inside",
                    NAMES,
                    visit.env,
                    "nothing but the gateway answers names inside; look at /etc/hosts and nsswitch.conf there: tightlip run -- getent hosts example.com",
                );
                looks.broken("names", found, mend);
            }
            Said::Client(tried) => client(&tried, visit.env, looks),
            Said::Door(answered) => door(answered, visit.name, looks),
        }
    }
}

fn client(tried: &Tried, env: &[OsString], looks: &mut Looks) {
    let Tried { client, trouble, said } = tried;
    match trouble {
        None => looks.ok(client, "reaches the gateway, and trusts the devbox's certificates"),
        Some(Trouble::Untrusted) => {
            let own = format!(
                "see what else {client} is told to trust (~/.curlrc, `git config http.sslCAInfo`, NODE_OPTIONS): inside, {} has all certificates",
                devbox::BUNDLE_PATH
            );
            let (found, mend) = blamed("does not trust the devbox's certificates", TRUST, env, &own);
            looks.broken(client, found, mend);
        }
        Some(Trouble::Unreached) => {
            let own = format!("see it say so: tightlip run -- {client}");
            let (found, mend) = blamed("gets no connection", PROXIES, env, &own);
            looks.broken(client, found, mend);
        }
        Some(Trouble::Other) => {
            looks.note(client, format!("does not get through: {said}"), format!("see it say so: tightlip run -- {client}"))
        }
    }
}

/// What was found and what mends it: where a variable that was named for the devbox explains it, leaving that out.
fn blamed(found: &str, variables: &[&str], env: &[OsString], otherwise: &str) -> (String, String) {
    let named: Vec<String> = env.iter().filter_map(|option| Some(option.to_str()?.split('=').next()?.to_owned())).collect();
    let guilty: Vec<&String> = named.iter().filter(|name| variables.iter().any(|known| known.eq_ignore_ascii_case(name))).collect();
    if guilty.is_empty() {
        return (found.to_owned(), otherwise.to_owned());
    }
    let list = |join: &str| guilty.iter().map(|name| format!("--env {name}")).collect::<Vec<_>>().join(join);
    (format!("{found}, with {}", list(" and ")), format!("leave out {}: inside, tightlip has set what is needed", list(" and ")))
}

fn door(answered: Answered, name: Option<&SecretName>, looks: &mut Looks) {
    let Answered { host, status, refusal, message, date } = answered;
    let check = format!("https://{host}");
    let name = name.map_or("NAME", SecretName::as_str);
    if let Some(date) = date.filter(|_| refusal.is_none()) {
        clock::compare_date(&host, &date, looks);
    }
    match (status, refusal) {
        (_, Some(code)) => looks.broken(
            &check,
            format!("the gateway refuses it ({code})"),
            message.unwrap_or_default().replace("NAME", name).replace("HOST", &host),
        ),
        (Some(401 | 403), None) => looks.note(
            &check,
            format!("reached with the value, and answered {}: it is the host that says no", status.unwrap_or_default()),
            "if that host takes this credential elsewhere, all is well; if not, store a new one: tightlip secret set NAME",
        ),
        (Some(status), None) => looks.ok(&check, format!("reached with the value in place of the placeholder; answered {status}")),
        (None, None) => looks.broken(&check, format!("no answer: {}", message.unwrap_or_default()), "look at the output of `tightlip up`"),
    }
}

fn said(visit: &Visit<'_>, target: &Target) -> Result<Vec<Said>, Fault> {
    let program = std::env::current_exe().map_err(|error| Fault::failure(&error))?;
    let errand = Errand { bundle: devbox::BUNDLE_PATH.into(), doors: visit.doors.to_vec() };
    let errand = serde_json::to_string(&errand).map_err(|error| Fault::failure(&error))?;
    let mut command = Command::new(&program);
    command.args(["run", "--quiet", "--data"]).arg(target.folder().path());
    if let Some(name) = visit.name {
        command.args(["--secret", &format!("{TOKEN_VARIABLE}={name}")]);
    }
    for host in visit.hosts {
        command.args(["--allow", host.as_str()]);
    }
    for variable in visit.env {
        command.arg("--env").arg(variable);
    }
    command.args(["--env", &format!("{ERRAND_VARIABLE}={errand}"), "--ro"]).arg(&program);
    command.arg("--").arg(&program).arg("__knock").stdin(Stdio::null());
    let output = command.output().map_err(|error| Fault::failure(&error))?;
    let said: Result<Vec<Said>, _> =
        output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice).collect();
    match said {
        Ok(said) if output.status.success() && !said.is_empty() => Ok(said),
        Ok(_) | Err(_) => {
            let words = String::from_utf8_lossy(&output.stderr);
            let words = words.lines().next().unwrap_or("it said nothing").trim_start_matches("tightlip: ");
            Err(Fault::new(Exit::CannotStart, format!("no devbox starts: {words}")).next("tightlip run -- true"))
        }
    }
}

/// By which a program may be told to trust something else than what is there.
const TRUST: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "CURL_HOME",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
];
/// By which a program may be told to go through a proxy, of which there is none inside.
const PROXIES: &[&str] = &["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NODE_OPTIONS", "NODE_USE_ENV_PROXY"];
/// By which the system's resolver may be told to ask otherwise.
const NAMES: &[&str] = &["RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_explains_it_is_named_and_no_other() {
        let env: Vec<OsString> = ["DEBUG=1", "https_proxy=http://a.test:1", "CURL_CA_BUNDLE=/x"].map(OsString::from).to_vec();
        let (found, mend) = blamed("gets no connection", PROXIES, &env, "look");
        assert_eq!(found, "gets no connection, with --env https_proxy");
        assert!(mend.starts_with("leave out --env https_proxy:") && !mend.contains("a.test"), "{mend}");
        assert_eq!(blamed("found", NAMES, &env, "look"), ("found".to_owned(), "look".to_owned()));
    }
}
