//! An environment in the words of what starts the sandbox.

use std::fmt::Write as _;
use std::path::Path;

use model::Label;

use super::super::hints::quoted;
use super::env::{Format, Made};

/// The files of a format beside the certificates, by their names in the folder.
pub(super) fn files(format: Format, made: &Made, bundle_inside: &str, bundle: &[u8], name: Option<&Label>) -> Vec<(&'static str, String)> {
    match format {
        Format::Docker | Format::Dotenv | Format::GithubActions => vec![(ENV, dotenv(made))],
        Format::K8s => {
            let name = object_name(name);
            let bundle = String::from_utf8_lossy(bundle);
            vec![(OBJECTS, objects(made, &name, &bundle)), (POD, pod(&name, bundle_inside))]
        }
    }
}

/// `NAME=VALUE` lines. No value has a blank, a quote or a line's end: each is a URL, a path or a token.
pub(super) fn dotenv(made: &Made) -> String {
    made.environment_variables.iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}={value}");
        text
    })
}

/// What to do with the files.
pub(super) fn next(format: Format, made: &Made, folder: &Path, bundle_inside: &str) -> String {
    let file = |name: &str| quoted(&folder.join(name));
    match format {
        Format::Docker => format!("--env-file {} -v {}:{bundle_inside}:ro", file(ENV), file(BUNDLE)),
        Format::K8s => format!("kubectl apply -f {}", file(OBJECTS)),
        Format::Dotenv => file(ENV),
        Format::GithubActions => {
            let mut masks = made.masks.clone();
            masks.sort();
            masks.dedup();
            masks.iter().map(|mask| format!("::add-mask::{mask}")).collect::<Vec<_>>().join("\n")
        }
    }
}

/// A Secret and a ConfigMap.
fn objects(made: &Made, name: &str, bundle: &str) -> String {
    let mut text = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\ntype: Opaque\nstringData:\n");
    for (variable, value) in &made.environment_variables {
        let _ = writeln!(text, "  {variable}: {}", scalar(value));
    }
    let _ = write!(text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  {BUNDLE}: |\n");
    for line in bundle.lines() {
        // An indented empty line would end in blanks.
        let _ = if line.trim().is_empty() { writeln!(text) } else { writeln!(text, "    {}", line.trim_end()) };
    }
    text
}

/// What a pod needs of them.
fn pod(name: &str, bundle_inside: &str) -> String {
    format!(
        "# Goes into a pod's spec, or into `spec.template.spec` of what makes pods; put your container's own name.
containers:
- name: CONTAINER
  envFrom:
  - secretRef:
      name: {name}
  volumeMounts:
  - name: tightlip
    mountPath: {inside}
    subPath: {BUNDLE}
    readOnly: true
volumes:
- name: tightlip
  configMap:
    name: {name}
",
        inside = scalar(bundle_inside)
    )
}

/// A text as YAML takes it: JSON's strings are YAML's (YAML 1.2, section 7.3.1).
fn scalar(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An object's name (RFC 1123 label): with the given one where that can be a part of it.
fn object_name(name: Option<&Label>) -> String {
    let fits = |name: &&str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(inner) && !name.ends_with('-')
    };
    name.map(Label::as_str).filter(fits).map_or_else(|| "tightlip".to_owned(), |name| format!("tightlip-{name}"))
}

/// Every file that a format may write, but the certificates.
pub(super) const NAMES: [&str; 3] = [ENV, OBJECTS, POD];
/// The certificates.
pub(super) const BUNDLE: &str = "bundle.pem";
const ENV: &str = "env";
const OBJECTS: &str = "tightlip.yaml";
const POD: &str = "pod.yaml";
/// A label has 63, of which our own word takes a part.
const NAME_BYTES_MAX: usize = 54;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn made() -> Made {
        Made {
            id: "dbx_000000000000000000001".parse().expect("an id"),
            environment_variables: [("HTTPS_PROXY", "http://devbox:tlg_a@10.0.0.1:1"), ("KEY", "ghp_a"), ("UV_NATIVE_TLS", "true")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            confidential: vec!["HTTPS_PROXY".into(), "KEY".into()],
            unbound: Vec::new(),
            ca_certificate: String::new(),
            masks: vec!["tlg_a".into(), "ghp_a".into(), "tlg_a".into()],
        }
    }

    fn documents(text: &str) -> Vec<Value> {
        serde_saphyr::from_multiple(text).expect("YAML")
    }

    #[test]
    fn kubernetes_objects_are_yaml_in_which_every_value_is_a_text() {
        let bundle = "# A comment: with a colon\n\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let text = objects(&made(), "tightlip-ci", bundle);
        let [secret, map] = &documents(&text)[..] else { panic!("{text}") };
        assert_eq!((&secret["kind"], &secret["metadata"]["name"]), (&json!("Secret"), &json!("tightlip-ci")));
        assert_eq!(
            secret["stringData"],
            json!({ "HTTPS_PROXY": "http://devbox:tlg_a@10.0.0.1:1", "KEY": "ghp_a", "UV_NATIVE_TLS": "true" })
        );
        assert_eq!((&map["kind"], &map["data"][BUNDLE]), (&json!("ConfigMap"), &json!(bundle)));
    }

    #[test]
    fn a_pods_part_names_the_same_objects_and_mounts_the_file() {
        let text = pod("tightlip", "/etc/tightlip/bundle.pem");
        let [spec] = &documents(&text)[..] else { panic!("{text}") };
        let container = &spec["containers"][0];
        assert_eq!(container["envFrom"][0]["secretRef"]["name"], "tightlip");
        assert_eq!(
            (&container["volumeMounts"][0]["mountPath"], &container["volumeMounts"][0]["subPath"]),
            (&json!("/etc/tightlip/bundle.pem"), &json!(BUNDLE))
        );
        assert_eq!(spec["volumes"][0], json!({ "name": container["volumeMounts"][0]["name"], "configMap": { "name": "tightlip" } }));
    }

    #[test]
    fn a_name_that_is_no_label_is_left_out() {
        let name = |text: &str| object_name(Some(&text.parse().expect("a label")));
        for text in ["CI", "a b", "a-", "a_b", &"x".repeat(55)] {
            assert_eq!(name(text), "tightlip", "{text}");
        }
        assert_eq!((name("ci-1").as_str(), object_name(None).as_str()), ("tightlip-ci-1", "tightlip"));
    }

    #[test]
    fn a_workflow_masks_the_credential_and_every_placeholder_once() {
        assert_eq!(next(Format::GithubActions, &made(), Path::new("/o"), "/o/bundle.pem"), "::add-mask::ghp_a\n::add-mask::tlg_a");
    }

    #[test]
    fn dockers_arguments_name_the_file_and_mount_the_certificates_read_only() {
        let expected = "--env-file /o/env -v /o/bundle.pem:/etc/tightlip/bundle.pem:ro";
        assert_eq!(next(Format::Docker, &made(), Path::new("/o"), "/etc/tightlip/bundle.pem"), expected);
        assert_eq!(dotenv(&made()), "HTTPS_PROXY=http://devbox:tlg_a@10.0.0.1:1\nKEY=ghp_a\nUV_NATIVE_TLS=true\n");
    }
}
