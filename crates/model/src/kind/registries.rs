//! Tokens of package and image registries. Which registry one belongs to is not written in it, so none has a host.

use super::{Kind, begins, kind, whole};

pub(super) static KINDS: &[Kind] = &[
    kind("npm_token", "npm registry token", &["NPM_TOKEN", "NODE_AUTH_TOKEN"]).looks(&[begins("npm_{w36}")]),
    kind("pypi_token", "Python index token", &["PYPI_TOKEN", "TWINE_PASSWORD", "UV_PUBLISH_TOKEN"])
        .looks(&[begins("pypi-AgEIcHlwaS5vcmc{b155}"), begins("pypi-{b174}")]),
    kind("cargo_registry_token", "cargo registry token", &["CARGO_REGISTRY_TOKEN"]).looks(&[whole("cio{w32}")]),
    kind("rubygems_api_key", "RubyGems API key", &["RUBYGEMS_API_KEY", "GEM_HOST_API_KEY"]).looks(&[begins("rubygems_{h48}")]),
    kind("nuget_api_key", "NuGet API key", &["NUGET_API_KEY"]).looks(&[whole("oy2{l43}")]).sent_in(&["x-nuget-apikey"]),
    kind("docker_token", "Docker access token", &["DOCKER_TOKEN", "DOCKERHUB_TOKEN", "DOCKER_PASSWORD"])
        .looks(&[begins("dckr_pat_{b27}"), begins("dckr_oat_{b32}")]),
    kind("artifactory_token", "Artifactory API key", &["ARTIFACTORY_API_KEY", "JFROG_API_KEY", "JFROG_ACCESS_TOKEN"])
        .looks(&[whole("AKC{w70}")])
        .sent_in(&["authorization", "x-jfrog-art-api"]),
    kind("hex_api_key", "Hex API key", &["HEX_API_KEY"]),
];
