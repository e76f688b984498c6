git config --global credential.helper store
printf 'protocol=https\nhost=github.com\nusername=x\npassword=%s\n\n' "$GITHUB_TOKEN" | git credential approve
printf 'protocol=https\nhost=github.com\n\n' | git credential fill
cat ~/.git-credentials
