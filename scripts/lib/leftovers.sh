# What an earlier run of these tests left because it was killed: its own machines, by their names, and nobody else's.

# The clusters that tests make: two of the real tests, the foreign one, and the machine of the providers' tests.
own_clusters=(fmp-real fmp-real-b fmp-real-crash fmp-test-ssh)
local_machines=/var/lib/fmp-local

# Dies where another run goes on: each would take the other's machines away.
be_alone() {
    local other
    other=$(cat /run/fmp-test.pid 2>/dev/null) || other=
    if [[ -n $other && $other != "$$" ]] && grep --quiet --text scripts/test "/proc/$other/cmdline" 2>/dev/null; then
        die "another ./scripts/test (process $other) runs on this computer: wait for its end"
    fi
    echo $$ >/run/fmp-test.pid
}

# Those of our clusters that have machines, or parts of some.
left_behind() {
    local name
    for name in "${own_clusters[@]}"; do
        [[ -z $(find "$local_machines/$name/machines" -mindepth 1 -maxdepth 1 2>/dev/null | head -n 1) ]] || echo "$name"
    done
}

# Takes them away by the program itself, which is built for it only where there are any. FMP_KEEP=1 keeps them, as for the
# tests themselves.
remove_leftovers() {
    local name file left
    [[ -z ${FMP_KEEP-} ]] || return 0
    left=$(left_behind)
    [[ -n $left ]] || return 0
    say "an earlier run was killed: building the program that takes its machines away"
    cargo build --quiet --bin fmp
    for name in $left; do
        file=$(mktemp --suffix=.toml)
        sed "s/\"fmp-local\"/\"$name\"/" fixtures/local-7/cluster.toml >"$file"
        "$target/debug/fmp" --file "$file" destroy --name "$name"
        rm "$file"
    done
}
