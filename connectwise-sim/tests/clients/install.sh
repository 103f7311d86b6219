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
    # Two test runs may want it at the same time: each installs beside, the first rename wins.
    work=$(mktemp -d "$into.XXXXXX")
    if [ "$kind" = node ]; then
        cp "$here/node/package.json" "$here/node/package-lock.json" "$work/"
        (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
        touch "$work/.complete"
        mv -T "$work" "$into" 2>/dev/null || rm -rf "$work"
    else
        # A virtual environment knows its own path, so it is made where it stays.
        rm -rf "$work"
        (
            flock 9
            if [ ! -e "$into/.complete" ]; then
                rm -rf "$into"
                python3 -m venv "$into"
                "$into/bin/python" -m pip install --quiet --disable-pip-version-check -r "$pins" >&2
                touch "$into/.complete"
            fi
        ) 9>"$into.lock"
    fi
fi
echo "$into"
