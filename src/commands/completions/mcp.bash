# Completion of mcp: asks mcp itself, which reads the files of the workspace and no host.
_mcp_complete() {
    local line=${COMP_LINE:0:COMP_POINT} words=() word i
    # bash splits words at @ : = as well. They are put together again, and of the answers only what follows the last split is given.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i == 0)) || [[ $line == [[:blank:]]* ]]; then
            line=${line#"${line%%[![:blank:]]*}"}
            words+=("")
        fi
        # Of the last word only what stands before the cursor.
        ((i == COMP_CWORD)) && word=$line
        words[${#words[@]} - 1]+=$word
        line=${line#"$word"}
    done
    local current=${words[${#words[@]} - 1]} prefix
    # $2 is what bash replaces.
    prefix=${current%"$2"}
    local IFS=$'\n'
    COMPREPLY=($(MCP_COMPLETE=bash _CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$((${#words[@]} - 1)) \
        _CLAP_COMPLETE_COMP_TYPE=9 _CLAP_COMPLETE_SPACE=false mcp -- "${words[@]}" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} != *[=/:@] ]]; then
        COMPREPLY[0]+=" "
    fi
}
complete -o nospace -o bashdefault -F _mcp_complete mcp
