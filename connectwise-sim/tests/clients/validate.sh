#!/bin/sh
# validate.sh OPENAPI.json TRAFFIC.jsonl...: checks recorded requests and responses (serve --traffic)
# against an OpenAPI 3.0 document.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
env=$(sh "$here/install.sh" validator)
exec "$env/bin/python" "$here/validator/check.py" "$@"
