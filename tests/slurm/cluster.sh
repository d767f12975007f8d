#!/usr/bin/env bash
# A real SLURM of several nodes on this one machine, for as long as one command runs.  Needs root, but no systemd, no
# cgroups and no configuration of SLURM on the machine.
#
#   cluster.sh run NODES CPUS COMMAND...   start a cluster, run the command in it, take the cluster away
#   cluster.sh kill NODE                   (inside) power loss: every process of the node ends at once
#   cluster.sh boot NODE                   (inside) switch the node on again
#
# The cluster lives in network, host name, mount and process namespaces of its own: it neither sees nor disturbs a SLURM
# of the machine or a second test, and when its first process ends the kernel ends every other.  A node (n1, n2, ...) is
# again a set of namespaces, with a wire to a bridge: 10.77.0.1 is the controller, 10.77.0.(10 + i) node i.
set -u

give_up() { # why: exit status 77 skips a test
    echo "no SLURM here: $*"
    exit 77
}

write_config() { # nodes cpus
    local i
    cat >"$TT_CLUSTER/slurm.conf" <<CONF
ClusterName=tutti
SlurmctldHost=head(10.77.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that is queued again waits for its old credential to expire: seconds here instead of two minutes.
AuthInfo=socket=$TT_CLUSTER/munge.sock,cred_expire=6
CredType=cred/munge
SlurmctldPidFile=$TT_CLUSTER/slurmctld.pid
SlurmdPidFile=$TT_CLUSTER/%n/slurmd.pid
SlurmctldLogFile=$TT_CLUSTER/slurmctld.log
SlurmdLogFile=$TT_CLUSTER/%n.log
StateSaveLocation=$TT_CLUSTER/state
SlurmdSpoolDir=$TT_CLUSTER/%n
# Processes are followed without cgroups and not pinned; a node may claim more CPUs than the machine has.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=pmix
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1
# A lost node is noticed within seconds and used again when it is back.
ReturnToService=2
SlurmdTimeout=4
MessageTimeout=3
KillWait=5
JobRequeue=1
MinJobAge=3600
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
CONF
    for i in $(seq "$1"); do
        echo "NodeName=n$i NodeAddr=10.77.0.$((10 + i)) CPUs=$2 RealMemory=16000"
    done >>"$TT_CLUSTER/slurm.conf"
    echo "PartitionName=tutti Nodes=ALL Default=YES MaxTime=INFINITE State=UP" >>"$TT_CLUSTER/slurm.conf"
    # 22.05 looks for cgroups, and fails without, unless it is told which kind there would be
    echo "CgroupPlugin=cgroup/v1" >"$TT_CLUSTER/cgroup.conf"
    # the PMIx plug-in would use the same folder of /tmp on every node: give it one that each node mounts for itself
    echo "PMIxCliTmpDirBase=$TT_CLUSTER/pmix" >"$TT_CLUSTER/mpi.conf"
    : >"$TT_CLUSTER/plugstack.conf"
    {
        echo "127.0.0.1 localhost"
        echo "10.77.0.1 head"
        for i in $(seq "$1"); do echo "10.77.0.$((10 + i)) n$i"; done
    } >"$TT_CLUSTER/hosts"
}

build_network() { # nodes
    local i
    ip link set lo up
    ip link add bridge0 type bridge
    ip addr add 10.77.0.1/24 dev bridge0
    ip link set bridge0 up
    mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns # ours alone: the mount namespace is
    for i in $(seq "$1"); do
        ip netns add "n$i"
        ip link add "wire$i" type veth peer name eth0 netns "n$i"
        ip link set "wire$i" master bridge0 up
        ip -n "n$i" link set lo up
        ip -n "n$i" addr add "10.77.0.$((10 + i))/24" dev eth0
        ip -n "n$i" link set eth0 up
    done
}

boot() { # node
    rm -rf "${TT_CLUSTER:?}/$1" # a node keeps nothing; slurmd trips over sockets of the time before
    mkdir -p "$TT_CLUSTER/$1/pmix"
    # shellcheck disable=SC2016 # $1 and TT_CLUSTER are for the node's own shell
    setsid nsenter --net="/run/netns/$1" unshare --mount --uts --pid --fork --kill-child --mount-proc bash -c '
        hostname "$1"
        mount --bind "$TT_CLUSTER/hosts" /etc/hosts
        mount --bind "$TT_CLUSTER/$1/pmix" "$TT_CLUSTER/pmix"
        slurmd -D -N "$1" &
        wait $!' node "$1" </dev/null >"$TT_CLUSTER/$1.boot" 2>&1 &
    echo $! >"$TT_CLUSTER/$1.pid"
    disown # its end, also by kill, is no news to this shell
}

until_true() { # seconds command...
    local tenths=$((10 * $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $((tenths -= 1)) -gt 0 ] || return 1
        sleep 0.1
    done
}

all_idle() { # nodes
    [ "$(sinfo -h -N -t idle -o %N | wc -l)" = "$1" ]
}

# The first process of the cluster's namespaces.
inside() { # nodes cpus command...
    local nodes=$1 cpus=$2 i
    shift 2
    trap 'exit 143' TERM INT
    hostname head
    mkdir -m 700 "$TT_CLUSTER/state"
    mkdir "$TT_CLUSTER/pmix"
    write_config "$nodes" "$cpus"
    mount --bind "$TT_CLUSTER/hosts" /etc/hosts
    build_network "$nodes" || give_up "the kernel refuses a network of namespaces"
    head -c 128 /dev/urandom >"$TT_CLUSTER/munge.key"
    chmod 600 "$TT_CLUSTER/munge.key"
    munged --force --socket="$TT_CLUSTER/munge.sock" --key-file="$TT_CLUSTER/munge.key" \
        --pid-file="$TT_CLUSTER/munged.pid" --seed-file="$TT_CLUSTER/munge.seed" --log-file="$TT_CLUSTER/munge.log" ||
        give_up "munged did not start"
    until_true 5 munge -S "$TT_CLUSTER/munge.sock" -n || give_up "munged does not answer"
    slurmctld -i || give_up "slurmctld did not start: $(tail -n 1 "$TT_CLUSTER/slurmctld.log")"
    for i in $(seq "$nodes"); do boot "n$i"; done
    until_true 20 all_idle "$nodes" || give_up "the nodes do not report: $(sinfo -h -N -o '%N %t' | tr '\n' ' ')"
    "$@"
}

case ${1:-} in
run)
    shift
    [ "$(id -u)" = 0 ] || give_up "namespaces need root"
    PATH=$PATH:/usr/sbin:/sbin
    for tool in slurmctld slurmd sbatch munged ip nsenter unshare; do
        command -v $tool >/dev/null || give_up "$tool is not installed"
    done
    unshare --net --uts --mount --pid --fork true 2>/dev/null || give_up "the kernel refuses namespaces"
    TT_CLUSTER=$(mktemp -d "${TMPDIR:-/tmp}/tutti-slurm.XXXXXX") || exit 1
    trap 'rm -rf "$TT_CLUSTER"' EXIT
    chmod 755 "$TT_CLUSTER" # munge wants its socket reachable
    export TT_CLUSTER SLURM_CONF=$TT_CLUSTER/slurm.conf PATH
    unshare --net --uts --mount --pid --fork --kill-child --mount-proc "$0" inside "$@"
    ;;
inside)
    shift
    inside "$@"
    ;;
kill) kill -9 "$(cat "$TT_CLUSTER/$2.pid")" ;;
boot) boot "$2" ;;
*)
    sed -n '5,7s/^# *//p' "$0" >&2
    exit 2
    ;;
esac
