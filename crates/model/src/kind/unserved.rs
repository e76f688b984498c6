//! What swapping cannot serve: keys that never stand in a request, or stand where no value is written. They are stored, and never sent; `secret set` says why.

use super::{Kind, begins, kind, whole};

pub(super) static KINDS: &[Kind] = &[
    kind("aws_access_key", "AWS access key", &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
        .looks(&[begins("AKIA{u16}"), begins("ASIA{u16}"), begins("ABIA{u16}"), begins("ACCA{u16}")])
        .stays(AWS),
    kind("alibaba_access_key", "Alibaba Cloud access key", &["ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"])
        .looks(&[whole("LTAI5t{w18}")])
        .stays(CLOUD),
    kind("tencent_secret_key", "Tencent Cloud secret key", &["TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"])
        .looks(&[whole("AKID{w32}")])
        .stays(CLOUD),
    kind("azure_storage_key", "Azure storage key", &["AZURE_STORAGE_KEY", "AZURE_STORAGE_CONNECTION_STRING"])
        .looks(&[begins("DefaultEndpointsProtocol=")])
        .stays(CLOUD),
    kind("service_account_file", "cloud service-account file", &["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS"]).stays(SIGNING),
    kind("kubernetes_config", "Kubernetes client configuration", &["KUBECONFIG", "KUBE_CONFIG"]).stays(CERTIFICATE),
    kind("ssh_private_key", "SSH private key", &["SSH_PRIVATE_KEY", "SSH_KEY", "DEPLOY_KEY"])
        .looks(&[begins("-----BEGIN OPENSSH PRIVATE KEY-----"), begins("PuTTY-User-Key-File-")])
        .stays(SSH),
    kind("private_key", "private key", &["PRIVATE_KEY", "TLS_KEY", "GPG_PRIVATE_KEY"])
        .looks(&[
            begins("-----BEGIN PRIVATE KEY-----"),
            begins("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
            begins("-----BEGIN RSA PRIVATE KEY-----"),
            begins("-----BEGIN DSA PRIVATE KEY-----"),
            begins("-----BEGIN EC PRIVATE KEY-----"),
            begins("-----BEGIN PGP PRIVATE KEY BLOCK-----"),
        ])
        .stays(SIGNING),
    kind("age_key", "age key", &["SOPS_AGE_KEY", "AGE_KEY"]).looks(&[begins("AGE-SECRET-KEY-1")]).stays(DECRYPTING),
    kind("onepassword_service_account", "1Password service account token", &["OP_SERVICE_ACCOUNT_TOKEN"])
        .looks(&[begins("ops_ey")])
        .stays(DECRYPTING),
    kind("tailscale_auth_key", "Tailscale auth key", &["TS_AUTHKEY", "TAILSCALE_AUTHKEY"]).looks(&[begins("tskey-auth-")]).stays(TUNNEL),
    kind("signing_secret", "webhook or token signing secret", &["WEBHOOK_SECRET", "JWT_SECRET", "SIGNING_SECRET", "SESSION_SECRET"])
        .looks(&[begins("whsec_")])
        .stays(SIGNING),
    kind(
        "exchange_secret",
        "trading API secret",
        &["BINANCE_API_SECRET", "BINANCE_SECRET_KEY", "KRAKEN_API_SECRET", "COINBASE_API_SECRET"],
    )
    .stays(SIGNING),
    kind(
        "oauth1_secret",
        "OAuth 1.0 secret",
        &["TWITTER_API_SECRET", "TWITTER_ACCESS_TOKEN_SECRET", "X_API_SECRET", "X_ACCESS_TOKEN_SECRET"],
    )
    .stays(SIGNING),
    kind("wallet_key", "wallet key or recovery phrase", &["WALLET_PRIVATE_KEY", "ETH_PRIVATE_KEY", "MNEMONIC"]).stays(SIGNING),
    kind("telegram_bot_token", "Telegram bot token", &["TELEGRAM_TOKEN", "TELEGRAM_BOT_TOKEN"])
        .looks(&[whole("{d8}:{b35}"), whole("{d9}:{b35}"), whole("{d10}:{b35}")])
        .stays(PATH),
    kind("webhook_url", "webhook URL", &["SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL", "TEAMS_WEBHOOK_URL"])
        .looks(&[begins("https://hooks.slack.com/services/"), begins("https://discord.com/api/webhooks/")])
        .stays(PATH),
    kind("database_password", "database password or URL", DATABASE_NAMES)
        .looks(&[
            begins("postgres://"),
            begins("postgresql://"),
            begins("mysql://"),
            begins("mongodb://"),
            begins("mongodb+srv://"),
            begins("redis://"),
            begins("rediss://"),
            begins("amqp://"),
            begins("amqps://"),
        ])
        .stays(DATABASE),
    kind("mail_password", "mail server password", &["SMTP_PASSWORD", "EMAIL_PASSWORD", "IMAP_PASSWORD"]).stays(MAIL),
];

const DATABASE_NAMES: &[&str] =
    &["DATABASE_URL", "DATABASE_PASSWORD", "DB_PASSWORD", "POSTGRES_PASSWORD", "PGPASSWORD", "MYSQL_PASSWORD", "REDIS_URL", "MONGODB_URI"];

const AWS: &str = "AWS requests are signed with the key inside the client, so a swapped key would only make wrong signatures; \
                   use short-lived credentials from your cloud's workload identity instead";
const CLOUD: &str = "requests to this cloud are signed with the key inside the client, so a swapped key would only make wrong signatures; \
                     use short-lived credentials from its workload identity instead";
const SIGNING: &str = "this key signs inside the client and never stands in a request, so there is nothing to swap; \
                       keep it in a service outside the devbox that signs";
const DECRYPTING: &str = "this key decrypts inside the client and never stands in a request, so there is nothing to swap; \
                          decrypt outside the devbox, and store what comes out";
const CERTIFICATE: &str = "it usually holds a client certificate's key, which signs inside the client, so there is nothing to swap; \
                           store a bearer token of the cluster instead, and bind it to the cluster's host";
const SSH: &str = "SSH proves possession of the key inside the client, so there is nothing to swap; use an https remote with a token";
const TUNNEL: &str = "it joins a machine to a network that the gateway does not see; join outside the devbox";
const PATH: &str = "it stands in the path of a URL, where values are not written; put a service of yours before it that takes a header";
const DATABASE: &str = "database protocols are not HTTP, so the gateway cannot swap the password; put an HTTP API in front of the database";
const MAIL: &str = "mail protocols are not HTTP, so the gateway cannot swap the password; use a mail service's HTTP API with its key";
