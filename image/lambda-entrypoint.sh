#!/usr/bin/env -S --block-signal=TERM /bin/sh
# The entry point of the image, with the contract of AWS's base images: the handler is the only argument.
#
# Where AWS_LAMBDA_RUNTIME_API is set, the container is on AWS or behind another Runtime API: only the bootstrap runs.
# Elsewhere rapid runs, and starts the bootstrap itself.
#
# The first process of a container never learns of a signal that came before it had a handler. Blocked from the first
# line on, an early SIGTERM waits until rapid can take it. (Commands run within $(): for others dash unblocks it.)
if [ $# -ne 1 ]; then
    echo "entrypoint requires the handler name to be the first argument" >&2
    exit 142
fi
export _HANDLER="$1"

# The function's libraries are for the function: rapid hands the path on to it.
RAPID_LIBRARY_PATH=${LD_LIBRARY_PATH:-$RAPID_LIBRARY_PATH}
unset LD_LIBRARY_PATH

if [ -n "${AWS_LAMBDA_RUNTIME_API:-}" ]; then
    export LD_LIBRARY_PATH="$RAPID_LIBRARY_PATH"
    for bootstrap in /var/runtime/bootstrap /var/task/bootstrap /opt/bootstrap; do
        [ -f "$bootstrap" ] && exec env --default-signal=TERM "$bootstrap"
    done
    echo "no bootstrap in /var/runtime, /var/task or /opt" >&2
    exit 127
fi

# A control group for rapid to divide, if the container may write to its own: only root can hand one over. Where the file
# system shows more than this container's groups (the host's namespace), nothing is touched.
delegate() {
    top=/sys/fs/cgroup/memory
    if ! grep -q " $(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup) $top .* cgroup " /proc/self/mountinfo; then
        top=/sys/fs/cgroup
        grep -q " $(sed -n 's/^0:://p' /proc/self/cgroup) $top .* cgroup2 " /proc/self/mountinfo || return 0
    fi
    mkdir "$top/rapid" && echo $$ >"$top/rapid/cgroup.procs" || return 0
    [ ! -f "$top/cgroup.subtree_control" ] || echo +memory >"$top/cgroup.subtree_control" || return 0
    chown 993:990 "$top/rapid" "$top"/rapid/cgroup.*
}

# The image's user is not root. Where a derived image or a flag says root, the function is still not to run as root.
if [ "$(id -u)" = 0 ]; then
    unprivileged="setpriv --reuid=993 --regid=990 --clear-groups"
    if [ "$($unprivileged echo may 2>/dev/null)" = may ]; then
        : "$(delegate 2>/dev/null)"
        exec $unprivileged rapid
    fi
    echo "running as root: this container may not change its user; run it with --user 993:990" >&2
fi
exec rapid
