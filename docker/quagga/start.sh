#!/bin/bash
# The command of the container since 2017; nothing here looks at what a user wrote.
# Where /run outlives a container, what the life before said is not true of this one.
rm -f /run/quagga/status.json
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
# A kernel drops a signal to PID 1 that has no handler yet; one that is blocked waits for it.
exec env --block-signal=TERM --block-signal=INT python3 -E -u -m router "$@"
