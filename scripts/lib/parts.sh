# Parts of a run: each has a bound, a log, a line in the table, and counts for the last line.

logs=$target/parts
mkdir -p "$logs"
rows=()
passed=0 failed=0 skipped=0
# The whole run ends by then; a part gets what is left at most.
deadline=$((${FMP_TEST_MINUTES:-85} * 60))

# part NAME SECONDS COMMAND...: runs it, tells how it went.
part() {
    begin "$@"
    finish "$1"
}

# begin NAME SECONDS COMMAND...: the same in the background, until `finish NAME`.
begin() {
    local name=$1 limit=$2 log=$logs/$1.log
    shift 2
    limit=$((limit < deadline - SECONDS ? limit : deadline - SECONDS))
    limit=$((limit > 1 ? limit : 1))
    say "$name: $*"
    (
        SECONDS=0
        timeout --kill-after=30 "$limit" "$@" >"$log" 2>&1 </dev/null &
        echo $! >"$log.pid"
        status=0
        wait $! || status=$?
        echo "$status $SECONDS" >"$log.end"
    ) &
    echo $! >"$log.job"
}

# Waits for the part NAME and counts what it did. Its log is shown where it failed.
finish() {
    local log=$logs/$1.log status seconds good bad results result=ok
    wait "$(cat "$log.job")"
    rm "$log.job" "$log.pid"
    read -r status seconds <"$log.end"
    read -r good bad results < <(
        awk '/^test result:/ { good += $4; bad += $6; results++ } END { print good + 0, bad + 0, results + 0 }' "$log"
    )
    if [[ $status -ne 0 ]]; then
        result=FAILED
        [[ $status -ne 124 && $status -ne 137 ]] || result='FAILED: out of time'
        # What ended without a result of its own counts as one.
        [[ $bad -gt 0 ]] || bad=1
        tail -n "${FMP_TAIL:-100}" "$log"
    elif [[ $good -eq 0 && $results -gt 0 ]]; then
        result='FAILED: no test of it ran' bad=1
        tail -n "${FMP_TAIL:-100}" "$log"
    elif [[ $good -eq 0 ]]; then
        good=1
    fi
    say "$1: $result"
    count "$1" "$seconds" "$result" "$good" "$bad" 0
}

# skip NAME WHY: says so. Nothing is skipped in CI.
skip() {
    if [[ ${CI:-} == true ]]; then
        say "$1: FAILED: can't be skipped in CI: $2"
        count "$1" 0 "FAILED: $2" 0 1 0
    else
        say "$1: skipped: $2"
        count "$1" 0 "skipped: $2" 0 0 1
    fi
}

count() {
    rows+=("$(printf '%-22s %7s  %6s %6s  %s' "$1" "$2" "$4" "$5" "$3")")
    passed=$((passed + $4)) failed=$((failed + $5)) skipped=$((skipped + $6))
}

# The table, then the counts alone on the last line. Fails where anything failed.
conclude() {
    printf '\n%-22s %7s  %6s %6s  %s\n' part seconds passed failed result
    printf '%s\n' "${rows[@]}"
    printf '%-22s %7s\n\n' 'all, by the clock' "$SECONDS"
    printf '%s passed, %s failed' "$passed" "$failed"
    [[ $skipped -eq 0 ]] || printf ', %s skipped' "$skipped"
    printf '\n'
    [[ $failed -eq 0 ]]
}

# Ends what is still under way when the run is stopped; each part's own bound would end it too, but later.
stop_parts() {
    local pid
    for pid in "$logs"/*.log.pid; do
        [[ ! -e $pid ]] || kill "$(cat "$pid")" 2>/dev/null || true
    done
}

# The names of the tests on real machines, one of them on each line.
real_tests() {
    local file
    for file in tests/real_*.rs tests/real/main.rs fmp-*/tests/real_*.rs; do
        [[ -e $file ]] || continue
        case $file in
        tests/*/main.rs) basename "$(dirname "$file")" ;;
        *) basename "$file" .rs ;;
        esac
    done
}

# Calls `CALL NAME SECONDS COMMAND…` for each part of them: each_real_part CALL SECONDS. What is killed in the middle takes as
# long as all the rest of the cluster's tests, so it is a part of its own, on a cluster of its own.
each_real_part() {
    local call=$1 limit=$2 name
    local tests=(cargo test --workspace --no-fail-fast --test)
    local left_out=()
    [[ -n ${FMP_FULL-} ]] || left_out=(--skip real_full)
    for name in $(real_tests); do
        if [[ $name == real ]]; then
            "$call" real "$limit" "${tests[@]}" real -- --skip real_crash "${left_out[@]}"
            "$call" real-crash "$limit" env FMP_LAB=crash "${tests[@]}" real -- real_crash
        else
            "$call" "$name" "$limit" "${tests[@]}" "$name" -- --test-threads=1 "${left_out[@]}"
        fi
    done
}

skip_real_tests() {
    local name
    for name in $(real_tests); do
        skip "$name" "$1"
    done
}
