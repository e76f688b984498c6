//! What lines of settings files are taken for.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn sorted(name: &str, text: &str) -> String {
    let value = SecretValue::from_input(text.as_bytes().to_vec()).unwrap();
    match sort(&name.parse().unwrap(), &value) {
        Sort::Known(kind) => kind.id.to_owned(),
        Sort::Unknown => "unknown".to_owned(),
        Sort::InAddress => "in an address".to_owned(),
        Sort::Kept(kept) => format!("{kept:?}"),
        Sort::Plain(plain) => plain.words().to_owned(),
    }
}

const DRAWN: &str = "q8Zt2LrV0xW4mPn7KsYb";

#[test]
fn a_known_kind_is_known_by_its_shape_or_by_its_name() {
    let github = format!("ghp_{}", "0aB1".repeat(9));
    for (name, text, kind) in [
        ("ANYTHING", github.as_str(), "github_token"),
        ("NEXT_PUBLIC_MISTAKE", github.as_str(), "github_token"),
        ("MISTRAL_API_KEY", DRAWN, "mistral_api_key"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_access_key"),
        ("TLS_KEY", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "private_key"),
        ("DATABASE_URL", "postgres://me:hunter2@db.example.com/app", "database_password"),
        ("ANY", "postgres://me:hunter2@db.example.com/app", "database_password"),
        ("DB_PASSWORD", "12345678", "database_password"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/abc", "webhook_url"),
    ] {
        assert_eq!(sorted(name, text), kind, "{name}={text}");
    }
}

#[test]
fn what_looks_secret_is_unknown_by_its_name_or_by_its_looks() {
    for (name, text) in [
        ("ACME_KEY", "correct-horse-battery"),
        ("ACME_API_KEY_2", "correct-horse"),
        ("acme-token", "correct-horse"),
        ("acmeToken", "correct-horse"),
        ("ACME_PASSWORD", "12345678"),
        ("ACME", DRAWN),
        ("ACME_SECRET_KEY", DRAWN),
        ("ACME_APP_SECRET", DRAWN),
        ("ACME_SESSION_TOKEN", DRAWN),
        ("REDIS_REST_TOKEN", DRAWN),
        ("ACME", "0123456789abcdef0123456789abcdef"),
        ("ACME", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"),
        ("ACME_SECRET", "/Zt2LrV0x+4mPn7KsYbq8="),
    ] {
        assert_eq!(sorted(name, text), "unknown", "{name}={text}");
    }
}

#[test]
fn what_never_stands_in_a_request_is_known_by_the_words_of_its_name() {
    for (kept, names) in [
        (
            "Inside",
            "ENCRYPTION_KEY APP_KEY RAILS_MASTER_KEY SECRET_KEY SECRET_KEY_BASE NEXTAUTH_SECRET JWT_SECRET_KEY COOKIE_SECRET VAPID_PRIVATE_KEY S3_SECRET_ACCESS_KEY \
             MINIO_SECRET_KEY NUXT_SESSION_PASSWORD DJANGO_SECRET_KEY R2_SECRET_ACCESS_KEY SESSION_KEY_2 API_TOKEN_SALT APP_KEYS AUTH_SECRET field-encryption-key",
        ),
        ("Database", "DB_PASS REDIS_PASSWORD MYSQL_ROOT_PASSWORD ACME_DB_PASSWORD PG_PASS MONGO_INITDB_ROOT_PASSWORD"),
        ("Mail", "MAIL_PASSWORD MAILER_PASS ACME_SMTP_PASSWORD"),
    ] {
        for name in names.split_whitespace() {
            assert_eq!(sorted(name, DRAWN), kept, "{name}");
            assert_eq!(sorted(name, "correct-horse"), kept, "{name}");
        }
    }
    for name in ["SESSION_DRIVER", "MAIL_HOST", "ENCRYPTION_KEY_ID", "DB_NAME"] {
        assert_eq!(sorted(name, "correct-horse"), "no secret by its looks", "{name}");
    }
}

#[test]
fn settings_are_no_secrets() {
    for (name, text, why) in [
        ("PORT", "3000", "a number"),
        ("MAX_TOKENS", "4096", "a number"),
        ("STARTED", "2026-11-29", "a number"),
        ("DEBUG", "true", "a word"),
        ("GITHUB_TOKEN", "none", "a word"),
        ("API_KEY", "${OTHER_KEY}", "another variable's name"),
        ("API_KEY", "$OTHER_KEY", "another variable's name"),
        ("GITHUB_TOKEN", "your-token-here", "an example's text"),
        ("GITHUB_TOKEN", "ghp_xxxxxxxxxxxxxxxxxxxxxxxx", "an example's text"),
        ("OPENAI_API_KEY", "sk-...", "an example's text"),
        ("OPENAI_API_KEY", "<your key>", "an example's text"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/etc/acme/service-account.json", "a path"),
        ("SSH_KEY", "~/.ssh/id_ed25519", "a path"),
        ("KEY_FILE", "./keys/server.pem", "a path"),
        ("API_URL", "https://api.example.com/v1?page=1", "an address without a credential"),
        ("DATABASE_URL", "postgres://localhost/app", "an address without a credential"),
        ("REDIS_URL", "redis://localhost:6379/0", "an address without a credential"),
        ("NEXT_PUBLIC_MAPS_KEY", DRAWN, "public by its name"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_live_0123456789abcdef", "public by its name"),
        ("KEY_ID", "correct-horse", "no secret by its looks"),
        ("TOKEN_TTL", "one hour", "no secret by its looks"),
        ("TENANT", "8f14e45f-ceea-467a-9a3b-0d1f2a3b4c5d", "no secret by its looks"),
        ("COMMIT_SHA", "0123456789abcdef0123456789abcdef01234567", "no secret by its looks"),
        ("IMAGE", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "no secret by its looks"),
        ("APP_NAME", "my-long-service-name-2026.prod.example.com", "no secret by its looks"),
        ("KEYBOARD", "qwerty", "no secret by its looks"),
        ("MONKEY", "see", "no secret by its looks"),
    ] {
        assert_eq!(sorted(name, text), why, "{name}={text}");
    }
}

#[test]
fn a_credential_in_an_address_is_found_whatever_the_name() {
    for text in [
        "https://me:hunter2@example.com/x",
        "https://hunter2token@example.com",
        "ftp://me:hunter2@example.com",
        "https://example.com/x?api_key=hunter2",
        "https://example.com/x?a=b&access_token=hunter2#there",
    ] {
        assert_eq!(sorted("ADDRESS", text), "in an address", "{text}");
    }
    assert_eq!(sorted("ADDRESS", "https://example.com/x?token="), "an address without a credential");
    assert_eq!(sorted("ADDRESS", "https://example.com/@me"), "an address without a credential");
}
