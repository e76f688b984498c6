printf 'protocol=https\nhost=github.com\nusername=x\n\n' | git -c credential.helper='!f() { echo "password=$GITHUB_TOKEN"; }; f' credential fill
