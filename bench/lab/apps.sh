#!/bin/sh
# Real programs as workloads, each with an input made here and the same every time.
#
#   apps.sh NAME [--seconds=… and the other options of the workloads, which a program has no use for]
#
# Only the program under test is preloaded: this script and its helpers run without. Prints the RESULT line
# of the workloads; one operation is one unit of the program's own work. Writes under TMPDIR alone, and uses
# the loopback network alone.
set -eu
name=$1
preload=${LD_PRELOAD:-}
unset LD_PRELOAD
work=$(mktemp -d "${TMPDIR:-/tmp}/apps.XXXXXX")
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' TERM INT
cd "$work"

# under COMMAND...: runs it with the allocator.
under() {
  if [ -n "$preload" ]; then
    LD_PRELOAD=$preload "$@"
  else
    "$@"
  fi
}

now() { date +%s.%N; }

# timed OPS COMMAND...: times the command and prints the result.
timed() {
  ops=$1
  shift
  start=$(now)
  "$@" >out 2>err || {
    status=$?
    cat err >&2
    exit $status
  }
  result "$ops" "$start" "$(now)"
}

result() {
  awk -v n="$name" -v ops="$1" -v a="$2" -v b="$3" 'BEGIN {
    s = b - a; printf "RESULT workload=%s ops=%d seconds=%.6f ops_per_s=%.3f threads=1 valid=1\n", n, ops, s, ops / s }'
}

# A port of this machine, by its process id: runs beside each other do not meet. Below those that
# the kernel gives to clients: one that the last cell's clients have just left cannot be bound.
port=$((10000 + $$ % 20000))

wait_for() {
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  echo "apps.sh: $name does not answer${server:+; its log ends: $(tail -n 1 server.log)}" >&2
  exit 1
}

# proved: fails unless the server maps the allocator it was started with.
proved() {
  [ -z "$preload" ] || grep -qF "${preload##*:}" "/proc/$server/maps" && return
  echo "apps.sh: $name does not run on $preload" >&2
  exit 1
}

app_python3() {
  cat >job.py <<'PY'
import json
rows = [{"id": i, "name": "name%d" % i, "tags": ["t%d" % (i % 7), "u%d" % (i % 11)], "price": i * 0.25} for i in range(30000)]
text = json.dumps(rows)
for _ in range(4):
    rows = json.loads(text)
    index = {}
    for row in rows:
        index.setdefault(row["tags"][0], []).append(row["name"] + "!")
print(len(text), sum(len(v) for v in index.values()))
PY
  PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 timed 120000 under python3 job.py
}

app_sqlite3() {
  cat >job.sql <<'SQL'
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, v INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
  INSERT INTO t SELECT i, 'name' || (i * 7919 % 100003), i * 31 % 1009 FROM n;
CREATE INDEX by_name ON t(name);
SELECT count(*), sum(length(name)) FROM t WHERE name LIKE 'name1%';
SELECT v, group_concat(name) FROM t GROUP BY v ORDER BY v LIMIT 5;
UPDATE t SET name = name || '!' WHERE id % 3 = 0;
SELECT count(DISTINCT name) FROM t;
SQL
  timed 200000 under sqlite3 :memory: ".read job.sql"
}

app_perl() {
  cat >job.pl <<'PL'
my %h; my $n = 0;
for my $round (1 .. 3) {
  for my $i (1 .. 120000) { $h{"key" . ($i * 7919 % 65537)} .= "v$i"; }
  for my $k (sort keys %h) { $n += length $h{$k}; delete $h{$k} if $n % 3 == 0; }
}
print "$n\n";
PL
  PERL_HASH_SEED=0 timed 360000 under perl job.pl
}

app_lua() {
  cat >job.lua <<'LUA'
local sum = 0
for round = 1, 4 do
  local t = {}
  for i = 1, 60000 do t[i] = {i, tostring(i), {x = i}} end
  for i = 1, 60000 do sum = sum + #t[i][2] + t[i][3].x end
end
print(sum)
LUA
  timed 240000 under "$(command -v lua || command -v lua5.4 || command -v lua5.3)" job.lua
}

app_cc1() {
  awk 'BEGIN { for (i = 0; i < 200; i++) printf "struct s%d { int a; double b[%d]; };\nint f%d(struct s%d *p, int n) { int r = 0; for (int i = 0; i < n; i++) { r += p[i].a * i; if (r %% %d == 0) r ^= (int)p[i].b[0]; else r -= n; } return r; }\n", i, i % 9 + 1, i, i, i + 3 }' >job.c
  timed 200 under "$(gcc -print-prog-name=cc1)" -quiet -O2 job.c -o job.s
}

app_git() {
  export HOME="$work" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
  export GIT_AUTHOR_DATE='1600000000 +0000' GIT_COMMITTER_DATE='1600000000 +0000'
  git init -q repo && cd repo
  awk 'BEGIN { print "blob\nmark :1\ndata 4\nbase"; for (c = 1; c <= 250; c++) {
    printf "commit refs/heads/main\nauthor a <a@b> %d +0000\ncommitter a <a@b> %d +0000\ndata 2\nc\n", 1600000000 + c, 1600000000 + c
    for (f = 1; f <= 6; f++) { text = ""; for (l = 1; l <= 60; l++) text = text "line " l " of " f " at " (l % 9 == c % 9 ? c : 0) "\n"
      printf "M 100644 inline dir%d/file%d\ndata %d\n%s", f % 3, f, length(text), text } } }' | git fast-import --quiet
  timed 250 under git -c core.pager=cat log -p --stat main
}

app_redis() {
  LD_PRELOAD=$preload redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --daemonize no >server.log 2>&1 &
  server=$!
  wait_for redis-cli -p "$port" ping
  proved
  start=$(now)
  redis-benchmark -p "$port" -q -n 60000 -c 20 -P 8 -d 400 -r 20000 -t set,get,lpush,lrange_100 >out
  stop=$(now)
  peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server/status")
  result 240000 "$start" "$stop" | sed "s/ valid=1/ rss_peak_kib=$peak valid=1/"
  kill "$server"
  wait "$server" || true
  server=
}

app_memcached() {
  LD_PRELOAD=$preload memcached -l 127.0.0.1 -p "$port" -U 0 -m 256 -u nobody >server.log 2>&1 &
  server=$!
  cat >job.py <<'PY'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
f = s.makefile("rb")
for batch in range(200):
    out = []
    for i in range(300):
        n = (batch * 300 + i) * 7919 % 50021
        value = b"x" * (40 + n % 1500)
        out.append(b"set key%d 0 0 %d noreply\r\n%s\r\n" % (n, len(value), value))
    out.append(b"get key%d\r\nversion\r\n" % n)
    s.sendall(b"".join(out))
    while not f.readline().startswith(b"VERSION"):
        pass
PY
  wait_for python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))"
  proved
  timed 60000 python3 job.py "$port"
  kill "$server"
  wait "$server" || true
  server=
}

case $name in
python3 | sqlite3 | perl | lua | cc1 | git | redis | memcached) "app_$name" ;;
*)
  echo "apps.sh: no program is called '$name'; known: python3, sqlite3, perl, lua, cc1, git, redis, memcached" >&2
  exit 2
  ;;
esac
