#!/bin/bash
# The command of the container since 2017; nothing here looks at what a user wrote.
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
exec python3 -E -u -m router "$@"
