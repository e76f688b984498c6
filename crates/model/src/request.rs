//! What an agent asks a person for: a secret that is not there yet, or access. A wish gives nothing; what a person makes of it does.

use serde::{Deserialize, Serialize};

use crate::binding::{Binding, Form, Methods};
use crate::host::HostPattern;
use crate::name::SecretName;

/// What an agent wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// A secret that is not there yet.
    Secret {
        /// Its name.
        name: SecretName,
        /// Towards these hosts.
        hosts: Vec<HostPattern>,
        /// Written so.
        form: Form,
    },
    /// A secret bound to one more host, or a host without a secret.
    Access {
        /// The secret, if one.
        secret: Option<SecretName>,
        /// The host.
        host: HostPattern,
        /// The methods; empty: all.
        methods: Methods,
    },
}

impl Wish {
    /// The secret that it names, if one.
    #[must_use]
    pub const fn name(&self) -> Option<&SecretName> {
        match self {
            Self::Secret { name, .. } => Some(name),
            Self::Access { secret, .. } => secret.as_ref(),
        }
    }

    /// The hosts that it names.
    #[must_use]
    pub fn hosts(&self) -> &[HostPattern] {
        match self {
            Self::Secret { hosts, .. } => hosts,
            Self::Access { host, .. } => std::slice::from_ref(host),
        }
    }

    /// The form that it names, if one.
    #[must_use]
    pub const fn form(&self) -> Option<&Form> {
        match self {
            Self::Secret { form, .. } => Some(form),
            Self::Access { .. } => None,
        }
    }

    /// The explicit bindings that granting it in full makes: port 443, every path. None for a host without a secret.
    #[must_use]
    pub fn bindings(&self) -> Vec<Binding> {
        match self {
            Self::Secret { hosts, form, .. } => {
                hosts.iter().map(|host| Binding { form: form.clone(), ..Binding::to_host(host.clone()) }).collect()
            }
            Self::Access { secret: None, .. } => Vec::new(),
            Self::Access { secret: Some(_), host, methods } => {
                vec![Binding { methods: methods.clone(), ..Binding::to_host(host.clone()) }]
            }
        }
    }

    /// Whether another wish is for the same thing, perhaps in another way: asked again, it takes this one's place.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret { name, .. }, Self::Secret { name: others, .. }) => name == others,
            (Self::Access { secret, host, .. }, Self::Access { secret: others, host: at, .. }) => secret == others && host == at,
            (Self::Secret { .. }, Self::Access { .. }) | (Self::Access { .. }, Self::Secret { .. }) => false,
        }
    }

    /// Every field as text, for a MAC or a digest: each to be framed. Those that may be many stand last.
    #[must_use]
    pub fn parts(&self) -> Vec<String> {
        let hosts = self.hosts().iter().map(ToString::to_string);
        let name = self.name().map_or("", SecretName::as_str).to_owned();
        let (sort, form, methods) = match self {
            Self::Secret { form, .. } => ("secret", form.to_string(), String::new()),
            Self::Access { secret, methods, .. } => {
                let sort = if secret.is_some() { "access" } else { "host" };
                (sort, String::new(), methods.as_slice().join(","))
            }
        };
        [sort.to_owned(), name, form, methods].into_iter().chain(hosts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, hosts: &[&str], form: &str) -> Wish {
        let hosts = hosts.iter().map(|host| host.parse().expect("a host")).collect();
        Wish::Secret { name: name.parse().expect("a name"), hosts, form: form.parse().expect("a form") }
    }

    fn access(name: Option<&str>, host: &str, methods: &str) -> Wish {
        let methods = if methods.is_empty() { Methods::default() } else { methods.parse().expect("methods") };
        Wish::Access { secret: name.map(|name| name.parse().expect("a name")), host: host.parse().expect("a host"), methods }
    }

    #[test]
    fn wishes_that_differ_have_different_parts() {
        let wishes = [
            secret("A", &["a.example.com"], "auto"),
            secret("A", &["a.example.com", "b.example.com"], "auto"),
            secret("A", &["b.example.com", "a.example.com"], "auto"),
            secret("A", &["*.example.com"], "auto"),
            secret("A", &["a.example.com"], "bearer"),
            secret("B", &["a.example.com"], "auto"),
            access(Some("A"), "a.example.com", ""),
            access(Some("A"), "a.example.com", "GET"),
            access(None, "a.example.com", ""),
        ];
        let parts: std::collections::HashSet<_> = wishes.iter().map(Wish::parts).collect();
        assert_eq!(parts.len(), wishes.len());
    }

    #[test]
    fn a_host_without_a_secret_binds_nothing() {
        assert_eq!(access(None, "a.example.com", "GET").bindings(), []);
        let [binding] = <[_; 1]>::try_from(access(Some("A"), "a.example.com", "GET").bindings()).expect("one");
        assert_eq!((binding.methods.to_string().as_str(), binding.port), ("GET", 443));
        assert_eq!(secret("A", &["a.example.com", "b.example.com"], "body").bindings().len(), 2);
    }

    #[test]
    fn the_same_is_asked_again_under_one_name_or_at_one_host() {
        let wish = secret("A", &["a.example.com"], "auto");
        assert!(wish.is_about_the_same(&secret("A", &["b.example.com"], "bearer")));
        assert!(!wish.is_about_the_same(&secret("B", &["a.example.com"], "auto")));
        assert!(!wish.is_about_the_same(&access(Some("A"), "a.example.com", "")));
        let wish = access(Some("A"), "a.example.com", "");
        assert!(wish.is_about_the_same(&access(Some("A"), "a.example.com", "GET")));
        assert!(!wish.is_about_the_same(&access(None, "a.example.com", "")));
    }
}
