#!/bin/sh
# The engine's name server, kept to the engine's own bridge: without this it would take port 53 of
# every address of the machine. Found before the real one, which is next on the path.
PATH=${PATH#*:}
exec dnsmasq --bind-dynamic "$@"
