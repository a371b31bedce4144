# SPDX-License-Identifier: Apache-2.0
# -*- shell-script -*-  Compute hosts and VMs made of network namespaces.
#
# Sourced by alcor-sandbox, quickstart, tests/system-macros.at and perf/run.
# POSIX shell with 'local'.
#
#     underlay           a Linux bridge "wire" with the controller's address
#       |      |
#     host1  host2 ...   br-phy (uplink, underlay address), br-int, each with
#       |      |         its own ovsdb-server, ovs-vswitchd, alcor-agent
#      vm1    vm2 ...    eth0, whose other end is a port of br-int
#
# A relay, if any, is called "relay" and lives in the underlay.  Forwarding nodes
# of Zeta gateways, if any, are on the same wire.
#
# Each of them is a network namespace, named $SB_PREFIX and its own name.  All
# state is below $SB_DIR: "hosts", "vms", "gateways", one a line; a folder each
# with database, pid files, sockets and logs.  Nothing of the machine's own OVS
# is read or touched.  Datapaths are userspace, so no kernel module is needed.
#
# Functions return nonzero, with a message on stderr, when something fails.

: "${SB_DIR:=${ALCOR_SANDBOX_DIR:-/run/alcor-sandbox}}"
: "${SB_PREFIX:=${ALCOR_SANDBOX_PREFIX:-alcor-}}"
: "${SB_AGENT:=${ALCOR_AGENT:-alcor-agent}}"    # "none": no agents.
: "${SB_RELAY:=${ALCOR_RELAY:-alcor-relay}}"
: "${SB_DATAPATH:=netdev}"        # Datapath type; "system" is the kernel's.
: "${SB_TIMEOUT:=15}"                           # Seconds, of every wait.
SB_DAEMON="-vconsole:off --pidfile --detach --no-chdir --log-file"
SB_QUIET="-vtimeval:off -vcoverage:off"         # Slow machines are no news.
SB_UNDERLAY_MTU=1500
SB_TENANT_MTU=1450                              # Less Ethernet, IP, UDP, VXLAN.

# OVS's programs come from its build tree if one is given, else from $PATH.
if test -n "$OVS_BUILD"; then
    PATH=$OVS_BUILD/utilities:$OVS_BUILD/ovsdb:$OVS_BUILD/vswitchd:$PATH
fi
PATH=$PATH:/usr/sbin:/sbin
OVS_SYSLOG_METHOD=null
export PATH OVS_SYSLOG_METHOD

sb_error() {
    echo "sandbox: $*" >&2
    return 1
}

# sb_wait_until WHAT COMMAND...: runs COMMAND until it succeeds.
sb_wait_until() {
    local what deadline
    what=$1
    shift
    deadline=$(($(date +%s) + SB_TIMEOUT))
    until "$@" >/dev/null 2>&1; do
        if test "$(date +%s)" -gt "$deadline"; then
            sb_error "waited $SB_TIMEOUT s in vain for $what"
            return 1
        fi
        sleep "${SB_POLL:-0.05}"
    done
}

# sb_in NAME COMMAND...: runs COMMAND in the namespace of a host, of a VM, or
# of "underlay"; on a host, ovs-vsctl and its kin talk to that host's daemons,
# and on "relay" to the relay and its database.
sb_in() {
    local name program namespace
    name=$1 namespace=$1
    test "$name" != relay || namespace=underlay
    shift
    case $1 in
    ovs-appctl | ovs-ofctl | ovs-vsctl | ovsdb-client)
        program=$1
        shift
        set -- "$program" $SB_QUIET "$@"
        ;;
    esac
    if test -e "$SB_DIR/$name/conf.db"; then
        OVS_RUNDIR=$SB_DIR/$name OVS_DBDIR=$SB_DIR/$name \
        OVS_LOGDIR=$SB_DIR/$name OVS_SYSCONFDIR=$SB_DIR/$name \
        ALCOR_BPFFS=$SB_DIR/$name/bpf \
            ip netns exec "$SB_PREFIX$namespace" "$@"
    else
        ip netns exec "$SB_PREFIX$namespace" "$@"
    fi
}

# sb_field FILE NAME N: field N of the line of NAME in $SB_DIR/FILE.
sb_field() {
    test ! -e "$SB_DIR/$1" || awk -v name="$2" -v n="$3" \
        '$1 == name { print $n }' "$SB_DIR/$1"
}

sb_names() {
    test ! -e "$SB_DIR/$1" || awk '{ print $1 }' "$SB_DIR/$1"
}

# sb_namespace NAME: creates it.  IPv6 is off, so that nobody but us speaks.
sb_namespace() {
    ip netns add "$SB_PREFIX$1" || return
    ip -n "$SB_PREFIX$1" link set lo up || return
    sb_in "$1" sh -c 'cd /proc/sys/net/ipv6/conf 2>/dev/null || exit 0
        echo 1 > all/disable_ipv6; echo 1 > default/disable_ipv6'
}

# sb_veth NAME DEV PEER-NAME PEER-DEV MTU: a veth pair, no checksum offload
# (vswitchd reads the frames as they are).
sb_veth() {
    local a b
    a=$SB_PREFIX$1 b=$SB_PREFIX$3
    ip link add name "$2" netns "$a" mtu "$5" type veth \
        peer name "$4" netns "$b" mtu "$5" || return
    ip netns exec "$a" ethtool -K "$2" tx off >/dev/null || return
    ip netns exec "$b" ethtool -K "$4" tx off >/dev/null || return
    ip -n "$a" link set "$2" up || return
    ip -n "$b" link set "$4" up
}

# sb_underlay ADDRESS/LEN...: the wire, with addresses for controllers.
sb_underlay() {
    local address
    mkdir -p "$SB_DIR" || return
    echo "$SB_PREFIX" > "$SB_DIR/prefix"
    sb_namespace underlay || return
    ip -n "${SB_PREFIX}underlay" link add name wire type bridge || return
    sb_in underlay ethtool -K wire tx off >/dev/null || return
    ip -n "${SB_PREFIX}underlay" link set wire up || return
    for address; do
        ip -n "${SB_PREFIX}underlay" addr add "$address" dev wire || return
    done
}

# sb_relay PUBLISH CONTROL: a relay and its database, in the underlay.
sb_relay() {
    local dir schema
    dir=$SB_DIR/relay
    schema=$(sb_our_schema alcor-relay.ovsschema)
    test -n "$schema" || { sb_error "no alcor-relay.ovsschema"; return 1; }
    rm -rf "$dir" && mkdir -p "$dir" || return
    ovsdb-tool $SB_QUIET create "$dir/conf.db" "$schema" || return
    sb_relay_db_start && sb_relay_start "$1" "$2"
}

sb_relay_db_start() {
    sb_in relay ovsdb-server "$SB_DIR/relay/conf.db" \
        --remote="punix:$SB_DIR/relay/db.sock" $SB_DAEMON
}

sb_relay_start() {
    local dir
    dir=$SB_DIR/relay
    sb_in relay "$SB_RELAY" --publish="$1" --control="$2" \
        --state="$dir/state" --db="unix:$dir/db.sock" $SB_DAEMON
}

# sb_relay_has N: at least N nodes are connected to the relay.
sb_relay_has() {
    test "$(sb_in relay ovs-appctl -t alcor-relay node/list --format=csv |
            awk -F, '$3 == "yes"' | wc -l)" -ge "$1"
}

# sb_schema: where the schema of vswitchd's database is.
sb_schema() {
    local dir file
    dir=$(dirname "$(command -v ovs-vswitchd)")
    for file in "$OVS_PKGDATADIR/vswitch.ovsschema" "$dir/vswitch.ovsschema" \
                /usr/share/openvswitch/vswitch.ovsschema \
                /usr/local/share/openvswitch/vswitch.ovsschema; do
        if test -r "$file"; then
            echo "$file"
            return
        fi
    done
    sb_error "no vswitch.ovsschema: is openvswitch-switch installed?"
}

# sb_our_schema FILE: where a schema of ours is, if anywhere.
sb_our_schema() {
    local file
    for file in "$OVS_PKGDATADIR/$1" \
                "$(dirname "$0")/../ovsdb-schema/$1" \
                "$abs_top_srcdir/ovsdb-schema/$1" \
                "/usr/share/openvswitch/$1" \
                "/usr/local/share/openvswitch/$1"; do
        if test -r "$file"; then
            echo "$file"
            return
        fi
    done
}

# sb_host NAME ADDRESS/LEN MAC: a host with OVS running, no agent.
sb_host() {
    local dir schema alcor
    dir=$SB_DIR/$1
    alcor=$(sb_our_schema alcor.ovsschema)
    schema=$(sb_schema) || return
    sb_namespace "$1" || return
    # Else the kernel answers on the uplink for the address of br-phy.
    sb_in "$1" sh -c 'echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore' ||
        return
    echo "$1 $2 $3" >> "$SB_DIR/hosts"
    rm -rf "$dir" && mkdir -p "$dir/bpf" || return
    # For the fast path; without it there is none.
    mount -t bpf bpf "$dir/bpf" 2>/dev/null
    sb_veth "$1" uplink underlay "u-$1" "$SB_UNDERLAY_MTU" || return
    ip -n "${SB_PREFIX}underlay" link set "u-$1" master wire || return

    ovsdb-tool $SB_QUIET create "$dir/conf.db" "$schema" || return
    if test -n "$alcor"; then
        # Else the agent does it, upon which ovsdb-server hangs up on any
        # ovs-vsctl that happens to run.
        ovsdb-tool $SB_QUIET create "$dir/alcor.db" "$alcor" || return
        alcor=$dir/alcor.db
    fi
    sb_ovsdb_start "$1" "$dir/conf.db" ${alcor:+"$alcor"} || return
    sb_in "$1" ovs-vsctl --no-wait init \
        -- set Open_vSwitch . "external_ids:system-id=$1" || return
    sb_vswitchd_start "$1" || return
    sb_phy "$1" || return
    ip -n "$SB_PREFIX$1" addr add "$2" dev br-phy || return
    ip -n "$SB_PREFIX$1" link set br-phy up
}

# sb_ovsdb_start HOST DATABASE...
sb_ovsdb_start() {
    local host
    host=$1
    shift
    sb_in "$host" ovsdb-server "$@" --remote="punix:$SB_DIR/$host/db.sock" \
        $SB_DAEMON
}

# sb_phy HOST: br-phy, with its uplink.
sb_phy() {
    sb_in "$1" ovs-vsctl add-br br-phy \
        -- set Bridge br-phy "datapath_type=$SB_DATAPATH" fail_mode=standalone \
               "other_config:hwaddr=\"$(sb_field hosts "$1" 3)\"" \
        -- add-port br-phy uplink
}

sb_vswitchd_start() {
    sb_in "$1" ovs-vswitchd "unix:$SB_DIR/$1/db.sock" \
        $SB_DAEMON
}

# sb_agent_configure HOST REMOTE CONTROL: where the controller is.  The host's
# address is its underlay address.
sb_agent_configure() {
    local ip
    ip=$(sb_field hosts "$1" 2)
    set -- "$1" "external_ids:alcor-remote=\"$2\"" \
        ${3:+"external_ids:alcor-control=\"$3\""}
    sb_in "$1" ovs-vsctl --no-wait set Open_vSwitch . "$2" ${3:+"$3"} \
        "external_ids:alcor-host-ip=${ip%/*}" \
        "external_ids:alcor-bridge-datapath-type=$SB_DATAPATH"
}

sb_agent_start() {
    sb_in "$1" "$SB_AGENT" "unix:$SB_DIR/$1/db.sock" \
        $SB_DAEMON
}

# sb_agent_stop HOST [--cleanup]: returns when it has exited.
sb_agent_stop() {
    local pid
    pid=$(cat "$SB_DIR/$1/alcor-agent.pid") || return
    sb_in "$1" ovs-appctl -t alcor-agent exit ${2:+"$2"} || return
    sb_wait_until "alcor-agent of $1 to exit" sb_is_gone "$pid"
}

# sb_agent_kill HOST: kill -9.
sb_agent_kill() {
    local pid
    pid=$(cat "$SB_DIR/$1/alcor-agent.pid") || return
    kill -9 "$pid" || return
    sb_wait_until "alcor-agent of $1 to die" sb_is_gone "$pid"
}

# sb_vm HOST VM PORT-ID MAC ADDRESS/LEN [GATEWAY]: a VM, plugged into br-int
# the way Nova and libvirt do.  ADDRESS "-": none, as it will ask for one.
sb_vm() {
    sb_namespace "$2" || return
    echo "$2 $1 $3 $4 $5 $6" >> "$SB_DIR/vms"
    sb_veth "$2" eth0 "$1" "tap-$2" "$SB_TENANT_MTU" || return
    sb_vm_address "$2" "$4" "$5" "$6" || return
    sb_vm_plug "$1" "$2" "$3" "$4"
}

# sb_vm_plug HOST VM PORT-ID MAC
sb_vm_plug() {
    sb_wait_until "br-int on $1" sb_in "$1" ovs-vsctl br-exists br-int \
        || return
    sb_in "$1" ovs-vsctl add-port br-int "tap-$2" \
        -- set Interface "tap-$2" "external_ids:iface-id=\"$3\"" \
               "external_ids:attached-mac=\"$4\""
}

sb_vm_address() {
    ip -n "$SB_PREFIX$1" link set eth0 address "$2" || return
    test "$3" = - || ip -n "$SB_PREFIX$1" addr add "$3" dev eth0 || return
    test -z "$4" || ip -n "$SB_PREFIX$1" route add default via "$4"
}

# sb_gateway NAME IP MAC [ENDPOINT...]: a forwarding node of a Zeta gateway with
# this entrance (tests/zeta_gateway.py says what an ENDPOINT is).
sb_gateway() {
    local name ip mac
    name=$1 ip=$2 mac=$3
    shift 3
    sb_namespace "$name" || return
    echo "$name $ip $mac" >> "$SB_DIR/gateways"
    sb_veth "$name" eth0 underlay "u-$name" "$SB_UNDERLAY_MTU" || return
    ip -n "${SB_PREFIX}underlay" link set "u-$name" master wire || return
    sb_gateway_start "$name" "$@"
}

# sb_gateway_start NAME [ENDPOINT...]: starts its process, when it was killed.
sb_gateway_start() {
    local name ip mac program
    name=$1
    shift
    ip=$(sb_field gateways "$name" 2) mac=$(sb_field gateways "$name" 3)
    program=$(sb_gateway_program) || return
    rm -f "$SB_DIR/$name.pid" "$SB_DIR/$name.ctl"
    sb_in "$name" "${PYTHON3:-python3}" "$program" run \
        --entrance "$ip=$mac" --control "$SB_DIR/$name.ctl" \
        --pidfile "$SB_DIR/$name.pid" --log "$SB_DIR/$name.log" --detach "$@" ||
        return
    sb_wait_until "gateway $name" test -e "$SB_DIR/$name.pid"
}

sb_gateway_program() {
    local file
    for file in "$abs_top_srcdir/tests/zeta_gateway.py" \
                "$(dirname "$0")/../tests/zeta_gateway.py"; do
        if test -r "$file"; then
            echo "$file"
            return
        fi
    done
    sb_error "no tests/zeta_gateway.py: gateways come with the source only"
}

# sb_gateway_ctl NAME COMMAND...
sb_gateway_ctl() {
    local name program
    name=$1
    shift
    program=$(sb_gateway_program) || return
    "${PYTHON3:-python3}" "$program" ctl "$SB_DIR/$name.ctl" "$@"
}

# sb_gateway_kill NAME: kill -9; its namespace stays.
sb_gateway_kill() {
    local pid
    pid=$(cat "$SB_DIR/$1.pid") || return
    kill -9 "$pid" || return
    sb_wait_until "gateway $1 to die" sb_is_gone "$pid"
}

# sb_bridge HOST: br-int where no agent makes it.
sb_bridge() {
    sb_in "$1" ovs-vsctl --may-exist add-br br-int \
        -- set Bridge br-int "datapath_type=$SB_DATAPATH" fail_mode=secure
}

# sb_vm_gone VM: unplugs and removes it.
sb_vm_gone() {
    local host
    host=$(sb_field vms "$1" 2)
    test -n "$host" || { sb_error "no VM $1"; return 1; }
    sb_in "$host" ovs-vsctl --if-exists del-port br-int "tap-$1" || return
    ip -n "$SB_PREFIX$1" link del eth0 || return
    sb_namespace_gone "$1"
    sb_forget vms "$1"
}

# sb_host_gone HOST: shuts it down and removes it; logs stay.
sb_host_gone() {
    local daemon
    for daemon in alcor-agent ovs-vswitchd ovsdb-server; do
        sb_is_up "$1" "$daemon" || continue
        sb_in "$1" ovs-appctl -T 5 -t "$daemon" exit >/dev/null 2>&1
    done
    sb_namespace_gone "$1"
    sb_unmount "$1"
    sb_forget hosts "$1"
}

sb_unmount() {
    umount "$SB_DIR/$1/bpf" 2>/dev/null || :
}

# sb_forget FILE NAME: removes the line of NAME from $SB_DIR/FILE.
sb_forget() {
    awk -v name="$2" '$1 != name' "$SB_DIR/$1" > "$SB_DIR/$1.tmp" &&
    mv "$SB_DIR/$1.tmp" "$SB_DIR/$1"
}

# sb_is_gone PID: it has exited (a zombie, for want of an init, counts once its
# threads are gone, with its locks).
sb_is_gone() {
    test ! -e "/proc/$1" ||
        { grep -q '^State:.Z' "/proc/$1/status" &&
          test "$(ls "/proc/$1/task" | wc -l)" -le 1; } 2>/dev/null
}

# sb_is_up HOST DAEMON
sb_is_up() {
    local pid
    pid=$(cat "$SB_DIR/$1/$2.pid" 2>/dev/null) && ! sb_is_gone "$pid"
}

# sb_namespace_gone NAME: ends what still runs in the namespace, by process
# id, and removes it.
sb_namespace_gone() {
    local pid pids signal SB_TIMEOUT
    SB_TIMEOUT=3
    for signal in TERM KILL; do
        pids=$(ip netns pids "$SB_PREFIX$1" 2>/dev/null)
        test -n "$pids" || break
        for pid in $pids; do
            kill -"$signal" "$pid" 2>/dev/null
        done
        sb_wait_until "processes in $1 to end" \
            sb_namespace_is_idle "$1" 2>/dev/null && break
    done
    ip netns del "$SB_PREFIX$1" 2>/dev/null || :
}

sb_namespace_is_idle() {
    local pid
    for pid in $(ip netns pids "$SB_PREFIX$1" 2>/dev/null); do
        sb_is_gone "$pid" || return
    done
}

# sb_stop: ends and removes everything that $SB_DIR knows of.  Returns 0 even
# if there is nothing, or only half of it.
sb_stop() {
    local name
    test -e "$SB_DIR/prefix" || return 0
    SB_PREFIX=$(cat "$SB_DIR/prefix")
    for name in $(sb_names vms) $(sb_names gateways) $(sb_names hosts) \
                underlay; do
        sb_namespace_gone "$name"
        sb_unmount "$name"
    done
    rm -f "$SB_DIR/hosts" "$SB_DIR/vms" "$SB_DIR/gateways" "$SB_DIR/prefix"
}
