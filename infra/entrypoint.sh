#!/bin/sh
# Runs a command in the container. A build joins a Ray cluster by the node beside it: so where RAY_ADDRESS names a
# cluster, a node that offers nothing is started here first, and ends with the container.
set -eu
# Ray asks for a third of the machine's memory for its objects, and lays them all on the disk where shared memory is
# less: so nine tenths of what the container was given of it are the most that is asked for.
room=$(df --output=avail --block-size=1 /dev/shm 2>/dev/null | tail -n 1)
if [ "${room:-0}" -ge 500000000 ]; then
    export RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES="${RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES:-$((room / 10 * 9))}"
fi
join() {  # by itself it would try for ten minutes and more, and say nothing
    timeout --kill-after=5 60 ray start --address="$RAY_ADDRESS" --num-cpus=0 --num-gpus=0 --disable-usage-stats \
        >/tmp/ray-start.log 2>&1
}
case "${RAY_ADDRESS:-}" in
*:*)
    if [ "${1:-}" != ray ]; then
        tries=0
        until join; do
            tries=$((tries + 1))
            if [ "$tries" -ge "${RAY_JOIN_TRIES:-10}" ]; then
                cat /tmp/ray-start.log >&2
                echo "makeweight: the Ray cluster at $RAY_ADDRESS was not joined;" \
                    "see that it runs and has this RAY_AUTH_TOKEN" >&2
                exit 1
            fi
            echo "makeweight: no answer from the Ray cluster at $RAY_ADDRESS yet; trying again" >&2
            sleep 5
        done
        # A head that is started anew has lost its nodes: so another joins it, for the builds to come.
        (while sleep 10 && kill -0 $$; do
            grep -qs '[/]raylet/raylet' /proc/[0-9]*/cmdline || join || true
        done >/dev/null 2>&1 &)
    fi
    ;;
esac
exec "$@"
