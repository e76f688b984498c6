//! Tokens of what keeps, builds, checks and deploys code, and of what watches it run.

use super::{Kind, UUID, begins, kind, unmarked, whole};

pub(super) static KINDS: &[Kind] = &[
    kind("github_token", "GitHub token", &["GITHUB_TOKEN", "GH_TOKEN", "GITHUB_PAT", "GITHUB_API_TOKEN"])
        .looks(&[
            begins("ghp_{w36}"),
            begins("gho_{w36}"),
            begins("ghu_{w36}"),
            begins("ghs_{w36}"),
            begins("ghr_{w36}"),
            begins("github_pat_{w22}_{w59}"),
        ])
        .goes_to(&["api.github.com", "github.com", "uploads.github.com", "gist.github.com", "raw.githubusercontent.com"]),
    kind("gitlab_token", "GitLab token", &["GITLAB_TOKEN", "GITLAB_PRIVATE_TOKEN", "CI_JOB_TOKEN"])
        .looks(&[
            begins("glpat-{w20}"),
            begins("gldt-{w20}"),
            begins("glft-{w20}"),
            begins("glsoat-{w20}"),
            begins("glrt-{w20}"),
            begins("glcbt-{h2}_{w20}"),
            begins("glimt-{w25}"),
            begins("glptt-{h40}"),
            begins("glagent-{w50}"),
            begins("gloas-{h64}"),
            begins("GR1348941{w20}"),
        ])
        .sent_in(&["authorization", "private-token", "job-token", "deploy-token"])
        .goes_to(&["gitlab.com"]),
    kind("bitbucket_token", "Bitbucket token", &["BITBUCKET_TOKEN", "BITBUCKET_APP_PASSWORD"])
        .looks(&[begins("ATCTT3xFfGN0{b180}"), whole("ATBB{w32}")])
        .goes_to(&["api.bitbucket.org", "bitbucket.org"]),
    kind("azure_devops_token", "Azure DevOps token", &["AZURE_DEVOPS_EXT_PAT", "AZURE_DEVOPS_TOKEN"])
        .looks(&[unmarked("{l52}")])
        .goes_to(&["dev.azure.com", "vssps.dev.azure.com"]),
    kind("sourcegraph_token", "Sourcegraph token", &["SRC_ACCESS_TOKEN", "SOURCEGRAPH_TOKEN"])
        .looks(&[begins("sgp_{h40}")])
        .goes_to(&["sourcegraph.com"]),
    kind("circleci_token", "CircleCI token", &["CIRCLECI_TOKEN", "CIRCLE_TOKEN", "CIRCLECI_CLI_TOKEN"])
        .looks(&[begins("CCIPAT_{w22}_{h40}"), begins("CCIPRJ_{w22}_{h40}")])
        .sent_in(&["authorization", "circle-token"])
        .goes_to(&["circleci.com"]),
    kind("buildkite_token", "Buildkite API token", &["BUILDKITE_API_TOKEN", "BUILDKITE_TOKEN"])
        .looks(&[begins("bkua_{h40}")])
        .goes_to(&["api.buildkite.com", "graphql.buildkite.com"]),
    kind("travis_token", "Travis CI token", &["TRAVIS_TOKEN"]).looks(&[unmarked("{w22}")]).goes_to(&["api.travis-ci.com"]),
    kind("sonar_token", "SonarQube token", &["SONAR_TOKEN"])
        .looks(&[begins("squ_{h40}"), begins("sqp_{h40}"), begins("sqa_{h40}")])
        .goes_to(&["sonarcloud.io"]),
    kind("snyk_token", "Snyk token", &["SNYK_TOKEN"]).looks(&[UUID]).goes_to(&["api.snyk.io"]),
    kind("sentry_token", "Sentry token", &["SENTRY_AUTH_TOKEN", "SENTRY_ACCESS_TOKEN"])
        .looks(&[begins("sntryu_{h64}"), begins("sntrys_{w150}")])
        .goes_to(&["sentry.io", "us.sentry.io", "de.sentry.io"]),
    kind("datadog_api_key", "Datadog API key", &["DD_API_KEY", "DATADOG_API_KEY"])
        .looks(&[unmarked("{h32}")])
        .sent_in(&["dd-api-key"])
        .goes_to(&["api.datadoghq.com"]),
    kind("datadog_application_key", "Datadog application key", &["DD_APP_KEY", "DD_APPLICATION_KEY", "DATADOG_APP_KEY"])
        .looks(&[unmarked("{h40}")])
        .sent_in(&["dd-application-key"])
        .goes_to(&["api.datadoghq.com"]),
    kind("newrelic_api_key", "New Relic API key", &["NEW_RELIC_API_KEY", "NEWRELIC_API_KEY"])
        .looks(&[begins("NRAK-{u27}")])
        .sent_in(&["api-key", "x-api-key"])
        .goes_to(&["api.newrelic.com", "api.eu.newrelic.com"]),
    kind("grafana_token", "Grafana service account token", &["GRAFANA_TOKEN", "GRAFANA_API_KEY", "GRAFANA_SERVICE_ACCOUNT_TOKEN"])
        .looks(&[begins("glsa_{w32}_{h8}")])
        .bound_by("--host STACK.grafana.net"),
    kind("grafana_cloud_token", "Grafana Cloud token", &["GRAFANA_CLOUD_API_KEY"]).looks(&[begins("glc_{w120}")]).goes_to(&["grafana.com"]),
    kind("honeycomb_api_key", "Honeycomb API key", &["HONEYCOMB_API_KEY"])
        .looks(&[begins("hcaik_{l58}"), begins("hcxik_{l58}")])
        .sent_in(&["x-honeycomb-team"])
        .goes_to(&["api.honeycomb.io"]),
    kind("dynatrace_token", "Dynatrace token", &["DYNATRACE_TOKEN", "DT_API_TOKEN"])
        .looks(&[begins("dt0c01.{u24}.{u64}")])
        .bound_by("--host ENVIRONMENT.live.dynatrace.com"),
    kind("rollbar_token", "Rollbar access token", &["ROLLBAR_ACCESS_TOKEN"])
        .looks(&[unmarked("{h32}")])
        .sent_in(&["x-rollbar-access-token"])
        .goes_to(&["api.rollbar.com"]),
    kind("pagerduty_token", "PagerDuty API token", &["PAGERDUTY_TOKEN", "PAGERDUTY_API_KEY"]).goes_to(&["api.pagerduty.com"]),
    kind("opsgenie_api_key", "Opsgenie API key", &["OPSGENIE_API_KEY"]).looks(&[UUID]).goes_to(&["api.opsgenie.com"]),
    kind("launchdarkly_token", "LaunchDarkly access token", &["LAUNCHDARKLY_ACCESS_TOKEN", "LAUNCHDARKLY_API_TOKEN"])
        .looks(&[whole("api-{h8}-{h4}-{h4}-{h4}-{h12}")])
        .goes_to(&["app.launchdarkly.com"]),
    kind("posthog_personal_api_key", "PostHog personal API key", &["POSTHOG_PERSONAL_API_KEY"])
        .looks(&[begins("phx_{w43}")])
        .goes_to(&["us.posthog.com", "eu.posthog.com"]),
    kind("postman_api_key", "Postman API key", &["POSTMAN_API_KEY"])
        .looks(&[begins("PMAK-{h24}-{h34}")])
        .sent_in(&["x-api-key"])
        .goes_to(&["api.getpostman.com"]),
];
