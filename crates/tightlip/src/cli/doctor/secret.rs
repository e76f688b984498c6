//! The way of one secret: is it stored, can it be sent, where may it go.

use link::cli::BindingView;
use model::binding::HTTPS_PORT;
use model::kind::Brokering;
use model::{Binding, BindingSource, Form, Host, KindId, SecretName};
use prove::knock::{Door, Spot};

use super::super::bind::Where;
use super::super::fault::Exit;
use super::super::target::Target;
use super::looks::Looks;

/// Looks at the secret; the doors that can be knocked at, or none where there is no use in looking further.
pub(super) fn look(name: &SecretName, hosts: &[Host], target: &Target, looks: &mut Looks) -> Option<Vec<Door>> {
    let views = target.gate().and_then(|gate| gate.bindings(&target.api_key()?, Some(name)));
    let views = match views {
        Ok(views) => views,
        Err(fault) if fault.exit == Exit::NotFound => {
            looks.broken("secret", "there is none of this name", "tightlip secret list, or tightlip secret set NAME");
            return None;
        }
        Err(fault) => {
            looks.fault("secret", fault);
            return None;
        }
    };
    let places = Where::of_views(&views);
    if let Some(why) = places.why_never() {
        looks.broken("secret", why, "store another credential for the same thing: tightlip secret set NAME");
        return None;
    }
    if !places.is_bound() {
        looks.broken(
            "binding",
            "the secret is bound to no host, so its placeholder leads nowhere",
            format!("tightlip bind {name} --host HOST"),
        );
        return None;
    }
    looks.ok("binding", places.hosts().join(", "));
    usual_hosts(name, &views, looks);
    let bindings: Vec<&Binding> = views.iter().filter_map(|view| view.binding.as_ref()).collect();
    let mut doors: Vec<Door> = bindings.iter().filter_map(|binding| door(binding)).collect();
    if doors.len() < bindings.len() {
        looks.note(
            "hosts",
            "wildcards, other ports, bindings without GET and those for a body are not knocked at",
            "try one of their hosts by hand: tightlip run -- curl -i https://HOST/",
        );
    }
    let further = hosts.iter().filter(|host| !doors.iter().any(|door| door.host == host.as_str())).map(plain_door).collect::<Vec<_>>();
    doors.extend(further);
    Some(doors)
}

/// A value of a known kind that is bound to none of its kind's hosts may be bound to a misspelt one.
fn usual_hosts(name: &SecretName, views: &[BindingView], looks: &mut Looks) {
    let Some(kind) = views.iter().find_map(|view| view.kind).and_then(KindId::kind) else { return };
    let Brokering::Hosts(usual) = kind.brokering else { return };
    let bound: Vec<&Binding> = views.iter().filter_map(|view| view.binding.as_ref()).collect();
    let is_usual = |host: &Host| bound.iter().any(|binding| binding.host.matches(host));
    let by_hand = views.iter().any(|view| view.source == Some(BindingSource::Explicit));
    let hosts: Vec<Host> = usual.iter().filter_map(|host| host.parse().ok()).collect();
    let Some(first) = hosts.first().filter(|_| by_hand && !hosts.iter().any(is_usual)) else { return };
    looks.note(
        "hosts",
        format!("this is a {}, and it is bound to none of that kind's own hosts ({first}, ...)", kind.title),
        format!("if that is a mistake: tightlip unbind {name}   (its kind's own hosts count again)"),
    );
}

/// Where one may knock at: a GET to an exact host, with the placeholder in a header or in the query.
fn door(binding: &Binding) -> Option<Door> {
    let host = binding.host.exact().filter(|_| binding.port == HTTPS_PORT && binding.methods.cover("GET"))?;
    let spot = match &binding.form {
        Form::Header { name } => Spot::Header { name: name.as_str().to_owned(), before: String::new() },
        Form::Auto | Form::Bearer | Form::Basic { .. } | Form::UserPass => bearer(),
        Form::Query { name } => Spot::Query { name: name.clone() },
        Form::Body => return None,
    };
    Some(Door { host: host.to_string(), path: binding.path.as_str().to_owned(), spot })
}

/// A host that no binding names, as a client would first try it.
fn plain_door(host: &Host) -> Door {
    Door { host: host.to_string(), path: "/".to_owned(), spot: bearer() }
}

fn bearer() -> Spot {
    Spot::Header { name: "authorization".to_owned(), before: "Bearer ".to_owned() }
}
