#!/bin/sh
# Runs a program built with ThreadSanitizer. Its runtime wants its own layout of addresses, which kernels
# with much randomness do not always leave: without randomness then, where that is allowed.
set -u
setarch "$(uname -m)" -R true 2>/dev/null && exec setarch "$(uname -m)" -R "$@"
exec "$@"
