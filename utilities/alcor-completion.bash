# SPDX-License-Identifier: Apache-2.0
# -*- shell-script -*-  Completion in bash for alcor-ctl, alcor-publish,
# alcor-sandbox, and ovs-appctl with the target alcor-agent or alcor-relay.
#
# Installed under the name of each command, where bash-completion looks when
# the command is first completed.  It needs nothing of bash-completion.  What
# there is comes from the programs themselves; each is asked with a time limit.

_alcor_tables="Agent Fast_Path Gateway Plugin Port Subscription Transaction VPC"
_alcor_types="VPC SUBNET PORT NEIGHBOR SECURITYGROUP DHCP ROUTER GATEWAY"

# How long a program may take.  (That it took longer is said by the shell, hence
# the braces where it is called.)
_alcor_seconds=2

# Sets 'cur', the word to be completed, 'words', those before it, and 'prev',
# the last of them.  "--x=y", of which bash makes three words, is one again.
_alcor_split () {
    local i word glue=
    words=()
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == [=:] || -n $glue ]] && ((${#words[@]})); then
            words[-1]+=$word
        else
            words+=("$word")
        fi
        glue=
        [[ $word == [=:] ]] && glue=yes
    done
    cur=${words[-1]}
    unset 'words[-1]'
    prev=
    if ((${#words[@]})); then prev=${words[-1]}; fi
}

# _alcor_reply WORD...: those that begin with 'cur', each from where bash has
# broken 'cur' on.
_alcor_reply () {
    local word skip= breaks=${COMP_WORDBREAKS//[^=:]}
    if [[ -n $breaks && $cur == *[$breaks]* ]]; then
        skip=${cur%"${cur##*[$breaks]}"}
    fi
    COMPREPLY=()
    for word; do
        if [[ $word == "$cur"* ]]; then
            COMPREPLY+=("${word#"$skip"}")
        fi
    done
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:/] ]]; then
        compopt -o nospace 2> /dev/null
    fi
}

# _alcor_files [SUFFIX]: files whose names end with it, and directories.
_alcor_files () {
    local file path=${cur#*=}
    COMPREPLY=()
    while IFS= read -r file; do
        if [[ -d $file || $file == *"${1-}" ]]; then COMPREPLY+=("$file"); fi
    done < <(compgen -f -- "$path")
    compopt -o filenames 2> /dev/null
}

# _alcor_option_value: if 'cur' is the value of an option whose values are
# known, completes it; else fails.
_alcor_option_value () {
    local option=${cur%%=*} value
    case $cur in
    --format=*) set -- table list html csv json ;;
    --data=*) set -- string bare json ;;
    --*=*) _alcor_files; return ;;
    *) return 1 ;;
    esac
    local words=()
    for value; do words+=("$option=$value"); done
    _alcor_reply "${words[@]}"
}

# alcor-ctl.

_alcor_ctl_run () {
    { alcor-ctl --timeout=$_alcor_seconds "$@"; } 2> /dev/null
}

# _alcor_records TABLE: what its rows are named by.
_alcor_records () {
    local column=id
    case $1 in
    Agent) echo .; column=node_id ;;
    Subscription) column=topic ;;
    Plugin) column=name ;;
    Fast_Path) column=interface ;;
    esac
    _alcor_ctl_run --bare --columns="$column" list "$1" | LC_ALL=C sort
}

_alcor_columns () {
    _alcor_ctl_run --format=csv list "$1" | head -n 1 | tr ',' '\n'
}

# _alcor_ctl_argument KIND TABLE
_alcor_ctl_argument () {
    case $1 in
    TABLE) _alcor_reply $_alcor_tables ;;
    RECORD) _alcor_reply $(_alcor_records "$2") ;;
    COLUMN*) _alcor_reply $(_alcor_columns "$2") ;;
    PORT) _alcor_reply $(_alcor_records Port) ;;
    DIR) _alcor_files / ;;
    FLOW) _alcor_reply arp icmp icmp6 ip ipv6 tcp tcp6 udp udp6 ;;
    esac
}

_alcor_ctl () {
    local cur prev words command= arguments=() word syntax kinds kind
    _alcor_split
    for word in "${words[@]}"; do
        case $word in
        --) command= arguments=() ;;
        -*) ;;
        *) if [[ -z $command ]]; then command=$word
           else arguments+=("$word"); fi ;;
        esac
    done
    _alcor_option_value && return
    if [[ $cur == -* && -n $command ]]; then
        # Only alcor-ctl's own commands have options after their names.
        syntax=$(alcor-ctl --commands 2> /dev/null |
            sed -n "s/^.*,$command,//p")
        _alcor_reply -- $(grep -o -- '--[a-z-]*' <<< "$syntax")
        return
    elif [[ $cur == -* ]]; then
        _alcor_reply $(alcor-ctl --options 2> /dev/null |
                sed -n 's/^\(--[a-z-]*\)=.*/\1=/p; t; /^--/p') \
            $(alcor-ctl --commands 2> /dev/null |
                grep -o '^\[.*\]' | tr -d '[]' | tr ' ' '\n' | sort -u)
        return
    elif [[ -z $command ]]; then
        _alcor_reply $(alcor-ctl --commands 2> /dev/null |
            sed 's/^[^,]*,\([^,]*\),.*/\1/')
        return
    fi

    # The arguments of "set" are ",set,!TABLE !RECORD +COLUMN?:KEY=VALUE"; the
    # last kind may be repeated.
    syntax=$(alcor-ctl --commands 2> /dev/null | sed -n "s/^.*,$command,//p")
    read -r -a kinds <<< "$syntax"
    for kind in "${!kinds[@]}"; do
        [[ ${kinds[kind]} == *--* ]] && unset "kinds[$kind]"
    done
    kinds=("${kinds[@]}")
    if ((${#kinds[@]} == 0)); then COMPREPLY=(); return; fi
    kind=${kinds[${#arguments[@]}]:-${kinds[-1]}}
    _alcor_ctl_argument "${kind#[?*+!]}" "${arguments[0]-}"
}

# alcor-publish.

_alcor_publish () {
    local cur prev words
    _alcor_split
    case $cur in
    --topic=*) _alcor_reply --topic=all --topic=node/ --topic=vpc/ ;;
    --publish=* | --control=* | --relay=*)
        _alcor_reply "${cur%%=*}=tcp://" "${cur%%=*}=ipc://" ;;
    --*=*) _alcor_option_value ;;
    -*) _alcor_reply $(alcor-publish --help 2> /dev/null |
            grep -o -- '--[a-z][a-z-]*\(=\|\[=\)\?' | tr -d '[' | sort -u) ;;
    *) _alcor_files .json ;;
    esac
}

# alcor-sandbox.

# _alcor_sandbox_names FILE...: hosts or VMs of the sandbox that runs.
_alcor_sandbox_names () {
    local dir=${ALCOR_SANDBOX_DIR:-/run/alcor-sandbox} file
    for file; do
        awk '{ print $1 }' "$dir/$file" 2> /dev/null
    done
}

_alcor_sandbox () {
    local cur prev words
    _alcor_split
    case ${#words[@]}:${words[0]-} in
    0:*)
        _alcor_reply start stop status vm exec ping capture --help ;;
    *:start)
        case $prev:$cur in
        --goal-state:* | *:--goal-state=*) _alcor_files .json ;;
        --agent:* | *:--agent=*) _alcor_files ;;
        *) _alcor_reply --hosts --goal-state --agent --no-agent ;;
        esac ;;
    1:vm) _alcor_reply $(_alcor_sandbox_names hosts) ;;
    1:exec | 1:capture)
        _alcor_reply underlay $(_alcor_sandbox_names hosts vms) ;;
    1:ping | 2:ping) _alcor_reply $(_alcor_sandbox_names vms) ;;
    2:exec)
        COMPREPLY=($(compgen -c -- "$cur" | sort -u)) ;;
    *) _alcor_files ;;
    esac
}

# ovs-appctl.

_alcor_appctl_run () {
    { ovs-appctl --timeout=$_alcor_seconds --target="$target" "$@"
    } 2> /dev/null
}

# _alcor_appctl_ids [TYPE]: of resources.
_alcor_appctl_ids () {
    _alcor_appctl_run goal-state/list ${1+"$1"} --format=csv |
        sed '1d; s/^[^,]*,\([^,]*\),.*/\1/'
}

# _alcor_appctl_arguments COMMAND ARGUMENT...: completes the one after these.
_alcor_appctl_arguments () {
    local usage kinds kind
    usage=$(_alcor_appctl_run list-commands |
        sed -n "s|^ *$1  *||p" | tr -d '[]')
    read -r -a kinds <<< "$usage"
    kind=${kinds[$# - 1]-}
    if [[ $cur == --* ]]; then
        kind=$(grep -o -- '--[^ ]*' <<< "$usage")
    fi
    case $kind in
    TYPE) _alcor_reply $_alcor_types ;;
    ID) _alcor_reply $(_alcor_appctl_ids "$2") ;;
    VPC) _alcor_reply $(_alcor_appctl_ids VPC) ;;
    PORT) _alcor_reply $(_alcor_appctl_ids PORT) ;;
    *--format=*) _alcor_reply --format=json --format=csv --format=table ;;
    --*) _alcor_reply $kind ;;
    *) COMPREPLY=() ;;
    esac
}

_alcor_appctl () {
    local cur prev words target= command= arguments=() i
    _alcor_split
    for ((i = 0; i < ${#words[@]}; i++)); do
        case ${words[i]} in
        -t | --target) target=${words[++i]-} ;;
        --target=*) target=${words[i]#*=} ;;
        -T | --timeout) ((++i)) ;;
        -*) if [[ -n $command ]]; then arguments+=("${words[i]}"); fi ;;
        *) if [[ -z $command ]]; then command=${words[i]}
           else arguments+=("${words[i]}"); fi ;;
        esac
    done
    if [[ $prev == -t || $prev == --target ]]; then
        _alcor_reply alcor-agent alcor-relay ovs-vswitchd ovsdb-server
    elif [[ $cur == --target=* ]]; then
        _alcor_reply --target={alcor-agent,alcor-relay,ovs-vswitchd,ovsdb-server}
    elif [[ $target != alcor-* ]]; then
        _alcor_appctl_other
    elif [[ -n $command ]]; then
        _alcor_appctl_arguments "$command" "${arguments[@]}"
    elif [[ $cur == -* ]]; then
        _alcor_reply --target= --timeout= --help --version
    else
        _alcor_reply $(_alcor_appctl_run list-commands |
            sed '1d; s/^ *\([^ ]*\).*/\1/')
    fi
}

# Other targets are for the completion that comes with Open vSwitch.
_alcor_appctl_other () {
    local file=/usr/share/bash-completion/completions/ovs-appctl-bashcomp.bash
    if ! declare -F _ovs_command_complete > /dev/null && [[ -r $file ]]; then
        . "$file"
        complete -F _alcor_appctl ovs-appctl
    fi
    COMPREPLY=()
    if declare -F _ovs_command_complete > /dev/null; then
        _ovs_command_complete
    fi
}

complete -F _alcor_ctl alcor-ctl
complete -F _alcor_publish alcor-publish
complete -F _alcor_sandbox alcor-sandbox
complete -F _alcor_appctl ovs-appctl
