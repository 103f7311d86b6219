#!/bin/sh
# install.sh python|node|validator: installs the pinned packages once, outside the clone, and prints
# the directory. The directory's name is a hash of what is pinned.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kind=$1
case $kind in
python | validator) pins="$here/$kind/requirements.txt" ;;
node) pins="$here/node/package-lock.json" ;;
*) echo "install.sh python|node|validator" >&2; exit 2 ;;
esac
hash=$( (python3 --version; cat "$pins") | sha256sum | cut -c1-16)
into="${XDG_CACHE_HOME:-$HOME/.cache}/meterwise/clients/$kind-$hash"
if [ ! -e "$into/.complete" ]; then
    echo "installing the $kind client into $into (once)" >&2
    mkdir -p "$(dirname "$into")"
    # Two test runs may want it at the same time: the second waits. It is made where it stays, because a virtual
    # environment knows its own path, and what a failure left is made anew.
    (
        flock 9
        if [ ! -e "$into/.complete" ]; then
            rm -rf "$into"
            mkdir "$into"
            if [ "$kind" = node ]; then
                cp "$here/node/package.json" "$here/node/package-lock.json" "$into/"
                (cd "$into" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
            else
                python3 -m venv "$into"
                "$into/bin/python" -m pip install --quiet --disable-pip-version-check -r "$pins" >&2
            fi
            touch "$into/.complete"
        fi
    ) 9>"$into.lock"
fi
echo "$into"
