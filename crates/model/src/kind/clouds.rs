//! Tokens of what runs, names, stores and keeps things: clouds, hosters, databases with an HTTP API, and keepers of secrets.

use super::{Kind, UUID, begins, kind, unmarked, whole};

pub(super) static KINDS: &[Kind] = &[
    kind("digitalocean_token", "DigitalOcean token", &["DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"])
        .looks(&[begins("dop_v1_{h64}"), begins("doo_v1_{h64}"), begins("dor_v1_{h64}")])
        .goes_to(&["api.digitalocean.com"]),
    kind("cloudflare_api_token", "Cloudflare API token", &["CLOUDFLARE_API_TOKEN", "CF_API_TOKEN"])
        .looks(&[unmarked("{w40}")])
        .goes_to(&["api.cloudflare.com"]),
    kind("cloudflare_global_key", "Cloudflare global API key", &["CLOUDFLARE_API_KEY", "CF_API_KEY"])
        .looks(&[unmarked("{h37}")])
        .sent_in(&["x-auth-key"])
        .goes_to(&["api.cloudflare.com"]),
    kind("vercel_token", "Vercel token", &["VERCEL_TOKEN"]).looks(&[unmarked("{w24}")]).goes_to(&["api.vercel.com"]),
    kind("netlify_token", "Netlify token", &["NETLIFY_AUTH_TOKEN"]).looks(&[begins("nfp_{w36}")]).goes_to(&["api.netlify.com"]),
    kind("render_api_key", "Render API key", &["RENDER_API_KEY"]).looks(&[whole("rnd_{w28}")]).goes_to(&["api.render.com"]),
    kind("fly_api_token", "Fly.io API token", &["FLY_API_TOKEN", "FLY_ACCESS_TOKEN"])
        .looks(&[begins("fo1_{b43}")])
        .goes_to(&["api.fly.io", "api.machines.dev"]),
    kind("railway_token", "Railway token", &["RAILWAY_TOKEN", "RAILWAY_API_TOKEN"])
        .looks(&[UUID])
        .sent_in(&["authorization", "project-access-token"])
        .goes_to(&["backboard.railway.com"]),
    kind("heroku_api_key", "Heroku API key", &["HEROKU_API_KEY"])
        .looks(&[begins("HRKU-{h8}-{h4}-{h4}-{h4}-{h12}")])
        .goes_to(&["api.heroku.com"]),
    kind("linode_token", "Linode token", &["LINODE_TOKEN", "LINODE_CLI_TOKEN"]).looks(&[unmarked("{h64}")]).goes_to(&["api.linode.com"]),
    kind("hetzner_token", "Hetzner Cloud token", &["HCLOUD_TOKEN", "HETZNER_TOKEN"])
        .looks(&[unmarked("{w64}")])
        .goes_to(&["api.hetzner.cloud"]),
    kind("vultr_api_key", "Vultr API key", &["VULTR_API_KEY"]).looks(&[unmarked("{u36}")]).goes_to(&["api.vultr.com"]),
    kind("scaleway_secret_key", "Scaleway secret key", &["SCW_SECRET_KEY", "SCALEWAY_SECRET_KEY"])
        .looks(&[UUID])
        .sent_in(&["x-auth-token"])
        .goes_to(&["api.scaleway.com"]),
    kind("google_access_token", "Google access token", &["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"])
        .looks(&[begins("ya29.{b200}")])
        .bound_by("--host SERVICE.googleapis.com"),
    kind("google_maps_api_key", "Google Maps API key", &["GOOGLE_MAPS_API_KEY"])
        .looks(&[unmarked("AIza{b35}")])
        .bound_by("--host maps.googleapis.com --as query:key"),
    kind("azure_client_secret", "Azure client secret", &["AZURE_CLIENT_SECRET"])
        .looks(&[unmarked("{w3}8Q~{w34}")])
        .bound_by("--host login.microsoftonline.com --as body"),
    kind("ibm_cloud_api_key", "IBM Cloud API key", &["IBMCLOUD_API_KEY", "IBM_CLOUD_API_KEY"])
        .looks(&[unmarked("{w44}")])
        .bound_by("--host iam.cloud.ibm.com --as body"),
    kind("terraform_cloud_token", "HCP Terraform token", &["TFE_TOKEN", "TF_API_TOKEN", "TF_TOKEN_APP_TERRAFORM_IO"])
        .looks(&[whole("{w14}.atlasv1.{b67}")])
        .goes_to(&["app.terraform.io"]),
    kind("pulumi_access_token", "Pulumi access token", &["PULUMI_ACCESS_TOKEN"]).looks(&[begins("pul-{h40}")]).goes_to(&["api.pulumi.com"]),
    kind("doppler_token", "Doppler token", &["DOPPLER_TOKEN"])
        .looks(&[begins("dp.pt.{w43}"), begins("dp.st.{w43}"), begins("dp.ct.{w43}"), begins("dp.sa.{w43}")])
        .goes_to(&["api.doppler.com"]),
    kind("vault_token", "Vault token", &["VAULT_TOKEN"])
        .looks(&[begins("hvs.{b90}"), begins("hvb.{b138}")])
        .sent_in(&["authorization", "x-vault-token"])
        .bound_by("--host HOST"),
    kind("tailscale_api_key", "Tailscale API key", &["TAILSCALE_API_KEY"])
        .looks(&[begins("tskey-api-{w17}-{w32}")])
        .goes_to(&["api.tailscale.com"]),
    kind("ngrok_api_key", "ngrok API key", &["NGROK_API_KEY"]).looks(&[unmarked("{w27}_{w21}")]).goes_to(&["api.ngrok.com"]),
    kind("fastly_api_token", "Fastly API token", &["FASTLY_API_TOKEN", "FASTLY_API_KEY"])
        .looks(&[unmarked("{w32}")])
        .sent_in(&["fastly-key"])
        .goes_to(&["api.fastly.com"]),
    kind("supabase_access_token", "Supabase access token", &["SUPABASE_ACCESS_TOKEN"])
        .looks(&[begins("sbp_{h40}")])
        .goes_to(&["api.supabase.com"]),
    kind("supabase_key", "Supabase project key", &["SUPABASE_KEY", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SECRET_KEY"])
        .looks(&[begins("sb_secret_{w31}")])
        .sent_in(&["authorization", "apikey"])
        .bound_by("--host PROJECT.supabase.co"),
    kind("neon_api_key", "Neon API key", &["NEON_API_KEY"]).looks(&[begins("napi_{l64}")]).goes_to(&["console.neon.tech"]),
    kind("planetscale_token", "PlanetScale OAuth token", &["PLANETSCALE_TOKEN"])
        .looks(&[begins("pscale_oauth_{b43}")])
        .goes_to(&["api.planetscale.com"]),
    kind("turso_api_token", "Turso API token", &["TURSO_API_TOKEN"]).goes_to(&["api.turso.tech"]),
    kind("databricks_token", "Databricks token", &["DATABRICKS_TOKEN"])
        .looks(&[begins("dapi{h32}")])
        .bound_by("--host WORKSPACE.cloud.databricks.com"),
    kind("algolia_api_key", "Algolia API key", &["ALGOLIA_API_KEY", "ALGOLIA_ADMIN_KEY"])
        .looks(&[unmarked("{h32}")])
        .sent_in(&["x-algolia-api-key"])
        .bound_by("--host APPLICATION.algolia.net"),
    kind("elastic_api_key", "Elasticsearch API key", &["ELASTIC_API_KEY", "ELASTICSEARCH_API_KEY", "ES_API_KEY"])
        .looks(&[unmarked("{w60}")]),
];
