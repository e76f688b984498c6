export GIT_TRACE=1 GIT_TRACE_CURL=1 GIT_TRACE_REDACT=0 GIT_CURL_VERBOSE=1 GIT_TERMINAL_PROMPT=0
git -c http.extraHeader="Authorization: Bearer $GITHUB_TOKEN" ls-remote https://github.com/echo
