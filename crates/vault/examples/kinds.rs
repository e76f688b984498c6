//! The catalogue to those who check it from outside: `kinds shapes` tells every shape with placeholders made for it, as lines of JSON; `kinds recognise` tells the
//! kind of each line of standard input. It gets generated texts only.

use std::io::{BufRead, Write};

use model::kind::{Brokering, Kind, Mark, Shape, catalogue};
use vault::SecretValue;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("shapes") => tell_shapes(),
        Some("recognise") => recognise_lines(),
        _ => Err("usage: kinds shapes|recognise".into()),
    }
}

fn tell_shapes() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for kind in catalogue() {
        for shape in kind.shapes {
            let line = serde_json::json!({
                "kind": kind.id,
                "name": kind.names.first(),
                "shape": shape.text,
                "mark": match shape.mark { Mark::Beginning => "beginning", Mark::Whole => "whole", Mark::Nothing => "nothing" },
                "bits": shape.random_bits(),
                "placeholders": placeholders(kind, *shape)?,
            });
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// Placeholders for values of a shape; none where no devbox gets one.
fn placeholders(kind: &Kind, shape: Shape) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    if matches!(kind.brokering, Brokering::NotBrokered(_)) {
        return Ok(Vec::new());
    }
    // One that has this shape itself leads to the next.
    let only = Kind { shapes: Box::leak(Box::new([shape])), ..*kind };
    let model = vault::make_token(Some(&only), None)?;
    let model = SecretValue::from_input(model.as_str().as_bytes().to_vec())?;
    (0..PLACEHOLDERS).map(|_| Ok(vault::make_token(Some(&only), Some(&model))?.as_str().to_owned())).collect()
}

fn recognise_lines() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    let nameless = "X".parse()?;
    for line in std::io::stdin().lock().lines() {
        let value = SecretValue::from_input(line?.into_bytes())?;
        writeln!(out, "{}", vault::recognise(&nameless, &value).map_or("-", |kind| kind.id))?;
    }
    Ok(())
}

const PLACEHOLDERS: usize = 8;
