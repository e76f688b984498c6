//! Keys of what takes payments, sends messages, plans work and answers questions.

use super::{Kind, UUID, begins, kind, unmarked, whole};

pub(super) static KINDS: &[Kind] = &[
    kind("stripe_secret_key", "Stripe secret key", &["STRIPE_SECRET_KEY", "STRIPE_API_KEY"])
        .looks(&[begins("sk_live_{w99}"), begins("sk_test_{w99}"), begins("rk_live_{w99}"), begins("rk_test_{w99}")])
        .goes_to(&["api.stripe.com", "files.stripe.com"]),
    kind("square_access_token", "Square access token", &["SQUARE_ACCESS_TOKEN"])
        .looks(&[begins("sq0atp-{b22}"), whole("EAAA{b60}")])
        .goes_to(&["connect.squareup.com"]),
    kind("square_oauth_secret", "Square OAuth secret", &["SQUARE_APPLICATION_SECRET"])
        .looks(&[begins("sq0csp-{b43}")])
        .bound_by("--host connect.squareup.com --as body"),
    kind("paypal_client_secret", "PayPal client secret", &["PAYPAL_CLIENT_SECRET"])
        .looks(&[unmarked("E{w79}")])
        .goes_to(&["api-m.paypal.com", "api-m.sandbox.paypal.com"]),
    kind("plaid_secret", "Plaid secret", &["PLAID_SECRET"])
        .looks(&[unmarked("{h32}")])
        .sent_in(&["plaid-secret"])
        .goes_to(&["production.plaid.com", "sandbox.plaid.com"]),
    kind("adyen_api_key", "Adyen API key", &["ADYEN_API_KEY"])
        .looks(&[begins("AQE{w60}")])
        .sent_in(&["x-api-key"])
        .bound_by("--host PREFIX-checkout-live.adyenpayments.com"),
    kind("shopify_token", "Shopify access token", &["SHOPIFY_ACCESS_TOKEN", "SHOPIFY_API_PASSWORD"])
        .looks(&[begins("shpat_{h32}"), begins("shpca_{h32}"), begins("shppa_{h32}"), begins("shpss_{h32}")])
        .sent_in(&["x-shopify-access-token"])
        .bound_by("--host STORE.myshopify.com"),
    kind("slack_token", "Slack token", &["SLACK_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_USER_TOKEN"])
        .looks(&[
            begins("xoxb-{d12}-{d13}-{w24}"),
            begins("xoxp-{d12}-{d12}-{d12}-{h32}"),
            begins("xapp-{d1}-A{u10}-{d13}-{h64}"),
            begins("xoxa-{d12}-{d12}-{d12}-{h32}"),
            begins("xoxr-{d12}-{d12}-{d12}-{h32}"),
            begins("xoxo-{d12}-{d12}-{d12}-{h10}"),
            begins("xoxs-{d12}-{d12}-{d12}-{h10}"),
        ])
        .goes_to(&["slack.com", "files.slack.com"]),
    kind("discord_bot_token", "Discord bot token", &["DISCORD_TOKEN", "DISCORD_BOT_TOKEN"])
        .looks(&[
            whole("M{w25}.{b6}.{b38}"),
            whole("M{w23}.{b6}.{b27}"),
            whole("N{w25}.{b6}.{b38}"),
            whole("N{w23}.{b6}.{b27}"),
            whole("O{w25}.{b6}.{b38}"),
            whole("O{w23}.{b6}.{b27}"),
        ])
        .goes_to(&["discord.com"]),
    kind("twilio_auth_token", "Twilio auth token", &["TWILIO_AUTH_TOKEN", "TWILIO_API_SECRET"])
        .looks(&[unmarked("{h32}")])
        .goes_to(&["api.twilio.com"]),
    kind("sendgrid_api_key", "SendGrid API key", &["SENDGRID_API_KEY"]).looks(&[begins("SG.{b22}.{b43}")]).goes_to(&["api.sendgrid.com"]),
    kind("mailgun_api_key", "Mailgun API key", &["MAILGUN_API_KEY"])
        .looks(&[whole("key-{h32}"), whole("{h32}-{h8}-{h8}")])
        .goes_to(&["api.mailgun.net", "api.eu.mailgun.net"]),
    kind("mailchimp_api_key", "Mailchimp API key", &["MAILCHIMP_API_KEY"])
        .looks(&[whole("{h32}-us{d2}"), whole("{h32}-us{d1}")])
        .goes_to(&["*.api.mailchimp.com"]),
    kind("postmark_token", "Postmark server token", &["POSTMARK_SERVER_TOKEN", "POSTMARK_API_TOKEN"])
        .looks(&[UUID])
        .sent_in(&["x-postmark-server-token"])
        .goes_to(&["api.postmarkapp.com"]),
    kind("resend_api_key", "Resend API key", &["RESEND_API_KEY"]).looks(&[whole("re_{w8}_{w24}")]).goes_to(&["api.resend.com"]),
    kind("brevo_api_key", "Brevo API key", &["BREVO_API_KEY"])
        .looks(&[begins("xkeysib-{h64}-{w16}")])
        .sent_in(&["api-key"])
        .goes_to(&["api.brevo.com"]),
    kind("intercom_token", "Intercom access token", &["INTERCOM_ACCESS_TOKEN"]).goes_to(&["api.intercom.io"]),
    kind("hubspot_token", "HubSpot access token", &["HUBSPOT_ACCESS_TOKEN", "HUBSPOT_API_KEY"])
        .looks(&[whole("pat-na1-{h8}-{h4}-{h4}-{h4}-{h12}"), whole("pat-eu1-{h8}-{h4}-{h4}-{h4}-{h12}")])
        .goes_to(&["api.hubapi.com"]),
    kind("salesforce_token", "Salesforce access token", &["SALESFORCE_ACCESS_TOKEN", "SF_ACCESS_TOKEN"])
        .bound_by("--host ORG.my.salesforce.com"),
    kind("zendesk_token", "Zendesk API token", &["ZENDESK_API_TOKEN"]).looks(&[unmarked("{w40}")]).bound_by("--host SITE.zendesk.com"),
    kind("airtable_token", "Airtable token", &["AIRTABLE_API_KEY", "AIRTABLE_TOKEN"])
        .looks(&[whole("pat{w14}.{h64}")])
        .goes_to(&["api.airtable.com"]),
    kind("notion_token", "Notion token", &["NOTION_TOKEN", "NOTION_API_KEY"])
        .looks(&[begins("ntn_{w46}"), whole("secret_{w43}")])
        .goes_to(&["api.notion.com"]),
    kind("linear_api_key", "Linear API key", &["LINEAR_API_KEY"])
        .looks(&[begins("lin_api_{w40}"), begins("lin_oauth_{h64}")])
        .goes_to(&["api.linear.app"]),
    kind("atlassian_api_token", "Atlassian API token", &["ATLASSIAN_API_TOKEN", "JIRA_API_TOKEN", "CONFLUENCE_API_TOKEN"])
        .looks(&[begins("ATATT3xFfGF0{b180}")])
        .bound_by("--host SITE.atlassian.net"),
    kind("asana_token", "Asana access token", &["ASANA_ACCESS_TOKEN", "ASANA_TOKEN"]).goes_to(&["app.asana.com"]),
    kind("trello_token", "Trello token", &["TRELLO_TOKEN"])
        .looks(&[begins("ATTA{h72}")])
        .bound_by("--host api.trello.com --as query:token"),
    kind("clickup_token", "ClickUp token", &["CLICKUP_API_TOKEN", "CLICKUP_TOKEN"])
        .looks(&[whole("pk_{d8}_{u32}")])
        .goes_to(&["api.clickup.com"]),
    kind("monday_token", "monday.com API token", &["MONDAY_API_TOKEN", "MONDAY_TOKEN"]).goes_to(&["api.monday.com"]),
    kind("figma_token", "Figma token", &["FIGMA_TOKEN", "FIGMA_API_KEY", "FIGMA_ACCESS_TOKEN"])
        .looks(&[begins("figd_{b40}")])
        .sent_in(&["authorization", "x-figma-token"])
        .goes_to(&["api.figma.com"]),
    kind("dropbox_token", "Dropbox access token", &["DROPBOX_ACCESS_TOKEN", "DROPBOX_TOKEN"])
        .looks(&[begins("sl.u.{b130}")])
        .goes_to(&["api.dropboxapi.com", "content.dropboxapi.com"]),
    kind("contentful_token", "Contentful management token", &["CONTENTFUL_MANAGEMENT_TOKEN"])
        .looks(&[begins("CFPAT-{b43}")])
        .goes_to(&["api.contentful.com"]),
    kind("typeform_token", "Typeform token", &["TYPEFORM_TOKEN"]).looks(&[begins("tfp_{b44}_{b14}")]).goes_to(&["api.typeform.com"]),
    kind("calendly_token", "Calendly token", &["CALENDLY_TOKEN", "CALENDLY_API_KEY"]).goes_to(&["api.calendly.com"]),
    kind("okta_api_token", "Okta API token", &["OKTA_API_TOKEN"]).looks(&[whole("00{b40}")]).bound_by("--host ORG.okta.com"),
    kind("x_bearer_token", "X bearer token", &["TWITTER_BEARER_TOKEN", "X_BEARER_TOKEN"])
        .looks(&[begins("AAAAAAAAAAAAAAAAAAAAA{w80}")])
        .goes_to(&["api.x.com", "api.twitter.com"]),
    kind("spotify_client_secret", "Spotify client secret", &["SPOTIFY_CLIENT_SECRET"])
        .looks(&[unmarked("{h32}")])
        .goes_to(&["accounts.spotify.com"]),
    kind("mapbox_secret_token", "Mapbox secret token", &["MAPBOX_ACCESS_TOKEN", "MAPBOX_TOKEN"])
        .looks(&[begins("sk.eyJ1{w80}.{w22}")])
        .bound_by("--host api.mapbox.com --as query:access_token"),
    kind("openweather_api_key", "OpenWeather API key", &["OPENWEATHER_API_KEY", "OPENWEATHERMAP_API_KEY"])
        .looks(&[unmarked("{h32}")])
        .bound_by("--host api.openweathermap.org --as query:appid"),
    kind("alpha_vantage_api_key", "Alpha Vantage API key", &["ALPHA_VANTAGE_API_KEY", "ALPHAVANTAGE_API_KEY"])
        .bound_by("--host www.alphavantage.co --as query:apikey"),
    kind("shodan_api_key", "Shodan API key", &["SHODAN_API_KEY"])
        .looks(&[unmarked("{w32}")])
        .bound_by("--host api.shodan.io --as query:key"),
    kind("newsapi_api_key", "NewsAPI key", &["NEWSAPI_API_KEY", "NEWS_API_KEY"])
        .looks(&[unmarked("{h32}")])
        .sent_in(&["authorization", "x-api-key"])
        .goes_to(&["newsapi.org"]),
    kind("virustotal_api_key", "VirusTotal API key", &["VIRUSTOTAL_API_KEY", "VT_API_KEY"])
        .looks(&[unmarked("{h64}")])
        .sent_in(&["x-apikey"])
        .goes_to(&["www.virustotal.com"]),
    kind("rapidapi_key", "RapidAPI key", &["RAPIDAPI_KEY"])
        .looks(&[unmarked("{l50}")])
        .sent_in(&["x-rapidapi-key"])
        .bound_by("--host API.p.rapidapi.com"),
    kind("shippo_token", "Shippo token", &["SHIPPO_API_TOKEN", "SHIPPO_API_KEY"])
        .looks(&[begins("shippo_live_{h40}"), begins("shippo_test_{h40}")])
        .goes_to(&["api.goshippo.com"]),
    kind("easypost_api_key", "EasyPost API key", &["EASYPOST_API_KEY"])
        .looks(&[whole("EZAK{w54}"), whole("EZTK{w54}")])
        .goes_to(&["api.easypost.com"]),
];
