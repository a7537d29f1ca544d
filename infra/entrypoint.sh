#!/bin/sh
# Runs a command in the container. A build joins a Ray cluster by the node beside it: so where RAY_ADDRESS names a
# cluster, a node that offers nothing is started here first, and ends with the container.
set -eu
case "${RAY_ADDRESS:-}" in
*:*)
    if [ "${1:-}" != ray ]; then
        tries=0
        until ray start --address="$RAY_ADDRESS" --num-cpus=0 --num-gpus=0 --disable-usage-stats >/tmp/ray-start.log 2>&1; do
            tries=$((tries + 1))
            if [ "$tries" -ge "${RAY_JOIN_TRIES:-10}" ]; then
                cat /tmp/ray-start.log >&2
                echo "makeweight: the Ray cluster at $RAY_ADDRESS could not be joined; see that it runs" >&2
                exit 1
            fi
            sleep 5
        done
    fi
    ;;
esac
exec "$@"
