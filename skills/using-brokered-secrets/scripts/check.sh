#!/bin/sh
# Says whether placeholders, certificates and the gateway work here: sh scripts/check.sh [VARIABLE]...
# Changes nothing. Prints names only, never what a variable holds. Exit code: 0 all is well, 1 something is not, 2 a wrong name.
set -u
LC_ALL=C
url=https://tightlip.internal/
failed=0

ok() { printf 'ok      %s\n' "$1"; }
bad() { printf 'failed  %s\n' "$1"; failed=1; }

number=0
for name in "$@"; do
    number=$((number + 1))
    case $name in
        '' | [0-9]* | *[!A-Za-z0-9_]*)
            echo "check.sh: argument $number is no variable's name; give names, never what they hold" >&2
            exit 2
            ;;
    esac
    eval "is_set=\${$name:+yes}"
    if [ "$is_set" = yes ]; then
        ok "\$$name is set: use it as it is"
    else
        # It is not repeated: it may be something else than a name.
        bad "argument $number names no variable that is set: see list_secrets, or ask with request_secret; one that was granted later you set yourself (request_status)"
    fi
done
[ $# -gt 0 ] || echo 'note    no variable was named: sh scripts/check.sh NAME...'

missing=
for name in SSL_CERT_FILE CURL_CA_BUNDLE GIT_SSL_CAINFO REQUESTS_CA_BUNDLE PIP_CERT NODE_EXTRA_CA_CERTS CARGO_HTTP_CAINFO; do
    eval "file=\${$name:-}"
    if [ ! -r "$file" ] || ! grep -q 'BEGIN CERTIFICATE' "$file"; then
        missing="$missing $name"
    fi
done
if [ -z "$missing" ]; then
    ok "each client's variable names a file of certificates"
else
    bad "these name no file of certificates:$missing"
fi

unchecked=
[ "${NODE_TLS_REJECT_UNAUTHORIZED:-}" != 0 ] || unchecked="$unchecked NODE_TLS_REJECT_UNAUTHORIZED"
[ "${PYTHONHTTPSVERIFY:-}" != 0 ] || unchecked="$unchecked PYTHONHTTPSVERIFY"
[ -z "${GIT_SSL_NO_VERIFY:-}" ] || unchecked="$unchecked GIT_SSL_NO_VERIFY"
if [ -z "$unchecked" ]; then
    ok "no variable turns TLS checks off"
else
    bad "these turn TLS checks off, unset them:$unchecked"
fi

# Any answer will do: it came over TLS that the client believed, and the name exists behind a gateway of tightlip only.
if command -v curl >/dev/null 2>&1; then
    answer=$(curl -sS -o /dev/null -D - --max-time 20 "$url" 2>/dev/null)
elif command -v wget >/dev/null 2>&1; then
    answer=$(wget -q -S -O /dev/null --tries=1 --timeout=20 "$url" 2>&1)
elif command -v python3 >/dev/null 2>&1; then
    answer=$(python3 -c 'import sys, urllib.error, urllib.request
try: urllib.request.urlopen(sys.argv[1], timeout=20)
except urllib.error.HTTPError: pass
except OSError: sys.exit(1)
print("HTTP/1.1")' "$url")
else
    answer=
    bad "there is no curl, wget or python3 to ask the gateway with"
fi
case $answer in
    *HTTP/*) ok "the gateway answers, and its certificate is trusted" ;;
    *) bad "no answer from $url: is this a devbox of tightlip?" ;;
esac
exit "$failed"
