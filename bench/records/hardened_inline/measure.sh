#!/bin/sh
# What variant `hardened` costs on programs, beside standard: wall time and resident memory.
#
#   bench/records/hardened_inline/measure.sh [ROUNDS]      (default 11; two minutes; nothing else may run)
#
# Builds both variants of both generations, runs each program under each library in turn, their order drawn
# anew each round, and writes hardened.tsv (every run), ratios.tsv (medians of the ratios within a round, with
# the 95 % interval of a bootstrap) and dso_sha256.txt beside this script. Programs and inputs are those of
# bench/lab/apps.sh; python3 also with its own small-object allocator, as users run it.
set -eu
rounds=${1:-11}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "${HARDENED_SO:-}" ]; then # or: a folder that holds the four of them
  (cd "$root" && ./bazelw build --noshow_progress //hz3:libhz3.so //hz3:libhz3_hardened.so //hz4:libhz4.so //hz4:libhz4_hardened.so)
  HARDENED_SO=$work
  for name in hz3 hz3_hardened hz4 hz4_hardened; do
    cp "$root/bazel-bin/${name%_hardened}/lib$name.so" "$work/"
  done
fi
(cd "$HARDENED_SO" && sha256sum libhz3.so libhz3_hardened.so libhz4.so libhz4_hardened.so) >"$here/dso_sha256.txt"

# The inputs, as apps.sh makes them.
awk -v work="$work" '
/^  cat >job\./ { sub(/.*>/, ""); split($0, part, " "); file = work "/" part[1]; split($0, word, "\x27"); mark = word[2]; if (seen[file]++) file = "/dev/null"; next }
file != "" && $0 == mark { close(file); file = ""; next }
file != "" { print >file }
/^  awk .*>job.c$/ { sub(/>job.c$/, ">\"" work "/job.c\""); print $0 | "sh" }' "$root/bench/lab/apps.sh"

exec python3 - "$rounds" "$work" "$HARDENED_SO" "$here" <<'PY'
import os, random, shutil, statistics, subprocess, sys, time

rounds, work, libraries, here = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
cc1 = subprocess.check_output(["gcc", "-print-prog-name=cc1"], text=True).strip()
lua = next(p for p in map(shutil.which, ("lua", "lua5.4", "lua5.3")) if p)
programs = {
    "python3": ["python3", "job.py"],
    "sqlite3": ["sqlite3", ":memory:", ".read job.sql"],
    "perl": ["perl", "job.pl"],
    "lua": [lua, "job.lua"],
    "cc1": [cc1, "-quiet", "-O2", "job.c", "-o", "job.s"],
    "python3_malloc": ["python3", "job.py"],
}
os.chdir(work)
quiet = os.open("/dev/null", os.O_RDWR)


def run(program, library):
    env = {"PATH": os.environ["PATH"], "LD_PRELOAD": f"{libraries}/lib{library}.so",
           "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PERL_HASH_SEED": "0"}
    if program == "python3_malloc":
        env["PYTHONMALLOC"] = "malloc"
    start = time.monotonic()
    child = os.posix_spawnp(programs[program][0], programs[program], env,
                            file_actions=[(os.POSIX_SPAWN_DUP2, quiet, 1)])
    _, status, used = os.wait4(child, 0)
    if status != 0:
        sys.exit(f"measure.sh: {program} under {library} ended with status {status}")
    return (time.monotonic() - start, used.ru_utime, used.ru_stime, used.ru_maxrss, used.ru_minflt)


names = ["hz3", "hz3_hardened", "hz4", "hz4_hardened"]
cells = {}
with open(f"{here}/hardened.tsv", "w") as out:
    print("round\tprogram\tallocator\twall_s\tuser_s\tsys_s\tmax_rss_kib\tminor_faults", file=out)
    for round in range(rounds):
        for program in programs:
            for name in random.sample(names, len(names)):
                cell = run(program, name)
                cells.setdefault((program, name), []).append(cell)
                print(round, program, name, *("%.4f" % v for v in cell[:3]), *cell[3:], sep="\t", file=out)


def interval(values):
    medians = sorted(statistics.median(random.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[1949]


with open(f"{here}/ratios.tsv", "w") as out:
    print("program\tgeneration\twall\tlow\thigh\tpeak_rss\tfaults", file=out)
    for program in programs:
        for generation in ("hz3", "hz4"):
            pairs = list(zip(cells[program, generation + "_hardened"], cells[program, generation]))
            wall = [a[0] / b[0] for a, b in pairs]
            low, high = interval(wall)
            rest = [statistics.median(a[i] / b[i] for a, b in pairs) for i in (3, 4)]
            print(program, generation, *("%.2f" % v for v in [statistics.median(wall), low, high] + rest), sep="\t", file=out)
PY
