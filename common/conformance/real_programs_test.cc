// Programs that people run, with and without the subject preloaded: same output, same errors, same
// end. Inputs are made here, deterministic, in a folder of each run's own. A program that is not
// installed is skipped by name; with HZ_REQUIRE_PROGRAMS=1 in the environment that is a failure.
#include "common/conformance/probe.h"
#include "common/conformance/subject.h"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <sstream>
#include <unistd.h>

namespace conformance {
namespace {

// Returns the path of a program, looked for where the distribution puts it before PATH (whose
// entries may be wrapper scripts), or an empty string.
// HZ_PROGRAM_PATH is looked through instead where it is set: that is how a machine without programs
// is tried.
std::string find_program(const std::string &name) {
  const char *path = std::getenv("PATH");
  const char *only = std::getenv("HZ_PROGRAM_PATH");
  std::istringstream folders(only != nullptr ? std::string(only)
                                             : std::string("/usr/bin:/bin:/usr/local/bin:") +
                                                   (path != nullptr ? path : ""));
  std::string folder;
  while (std::getline(folders, folder, ':')) {
    const std::string file = folder + "/" + name;
    if (!folder.empty() && access(file.c_str(), X_OK) == 0)
      return file;
  }
  return "";
}

std::string find_any(std::initializer_list<const char *> names) {
  for (const char *name : names) {
    const std::string found = find_program(name);
    if (!found.empty())
      return found;
  }
  return "";
}

bool must_be_there() {
  const char *value = std::getenv("HZ_REQUIRE_PROGRAMS");
  return value != nullptr && std::strcmp(value, "1") == 0;
}

#define SKIP_WITHOUT(...)                                                                          \
  do {                                                                                             \
    const char *const missing = *std::initializer_list<const char *>{__VA_ARGS__}.begin();         \
    std::printf("SKIPPED: %s\n", missing);                                                         \
    if (must_be_there())                                                                           \
      FAIL() << "not installed: " << missing;                                                      \
    GTEST_SKIP() << "SKIPPED: " << missing;                                                        \
  } while (0)

#define FIND_OR_SKIP(variable, ...)                                                                \
  const std::string variable = find_any({__VA_ARGS__});                                            \
  if (variable.empty())                                                                            \
  SKIP_WITHOUT(__VA_ARGS__)

// The same environment for every run; nothing of the user's reaches the programs.
std::vector<std::string> plain_environment(const std::string &folder) {
  return {"HOME=" + folder,
          "LC_ALL=C.UTF-8",
          "TZ=UTC",
          "PATH=/usr/bin:/bin",
          "TMPDIR=" + folder,
          "PYTHONMALLOC=malloc",
          "PYTHONHASHSEED=0",
          "PYTHONDONTWRITEBYTECODE=1",
          "PERL_HASH_SEED=0",
          "GIT_CONFIG_NOSYSTEM=1",
          "GIT_CONFIG_GLOBAL=/dev/null",
          "GIT_AUTHOR_NAME=A",
          "GIT_AUTHOR_EMAIL=a@example.org",
          "GIT_COMMITTER_NAME=A",
          "GIT_COMMITTER_EMAIL=a@example.org",
          "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z",
          "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z"};
}

ChildEnd run_in(const std::string &folder, const std::vector<std::string> &argv,
                const std::string &input, bool preloaded) {
  std::vector<std::string> env = plain_environment(folder);
  if (preloaded)
    env.push_back("LD_PRELOAD=" + subject().so);
  return run_command({argv, env, folder, input}, 1200);
}

// The dynamic linker lists what it would load: the subject must be among it for the file that
// really runs.
void expect_preload_takes_effect(const std::string &program) {
  if (subject().so.empty())
    return;
  const ChildEnd end =
      run_command({{program}, {"LD_PRELOAD=" + subject().so, "LD_TRACE_LOADED_OBJECTS=1"}, "", ""});
  EXPECT_NE(end.out.find(subject().so), std::string::npos)
      << program << " does not load " << subject().so << ": " << end.describe();
}

// The observe variant adds its statistics to stderr, each line behind its tag or name; everything
// else must be equal.
std::string without_statistics(const std::string &text) {
  if (subject().variant != Variant::kObserve)
    return text;
  std::istringstream lines(text);
  std::string line, kept;
  while (std::getline(lines, line)) {
    if (line.rfind("[HZ", 0) != 0)
      kept += line + "\n";
  }
  return kept;
}

// Runs the command without and with the subject in one folder each (made by `prepare`) and compares
// everything.
void same_with_and_without(const std::vector<std::string> &argv, const std::string &input = "",
                           const std::function<void(const std::string &)> &prepare = {},
                           const std::vector<std::string> &results = {},
                           const std::string &must_say = "") {
  ChildEnd ends[2];
  std::vector<std::string> contents[2];
  // One folder of the same name for both runs, so that paths in messages and results are equal.
  const std::string base = make_directory("programs");
  const std::string folder = base + "/work";
  for (int run = 0; run < 2; ++run) {
    const ChildEnd made =
        run_command({{"/bin/sh", "-c", "rm -rf work && mkdir work"}, {}, base, ""});
    ASSERT_TRUE(made.clean()) << made.describe();
    if (prepare)
      prepare(folder);
    ends[run] = run_in(folder, argv, input, run == 1 && !subject().so.empty());
    for (const std::string &result : results)
      contents[run].push_back(run_command({{"/bin/cat", result}, {}, folder, ""}).out);
  }
  ASSERT_TRUE(ends[0].clean()) << "without preload: " << ends[0].describe();
  EXPECT_FALSE(ends[0].out.empty() && results.empty()) << "nothing to compare";
  EXPECT_NE(ends[0].out.find(must_say), std::string::npos) << ends[0].describe();
  EXPECT_TRUE(ends[1].clean()) << "with preload: " << ends[1].describe();
  EXPECT_EQ(ends[1].out, ends[0].out);
  EXPECT_EQ(without_statistics(ends[1].err), ends[0].err);
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_FALSE(contents[0][i].empty()) << results[i];
    EXPECT_TRUE(contents[1][i] == contents[0][i]) << results[i] << " differs";
  }
}

// ---- python3 ----

constexpr char kPython[] = R"py(
import collections, hashlib, json, re, threading, zlib, random, itertools, gc
rng = random.Random(7)
words = ["%x" % rng.getrandbits(40) for _ in range(30000)]
tree = {"list": words, "nest": [{"k": w, "v": [i, i * 2.5, None, True]} for i, w in enumerate(words[:8000])]}
text = json.dumps(tree)
again = json.loads(text)
print("json", again == tree, len(text), hashlib.sha256(text.encode()).hexdigest())
packed = zlib.compress(text.encode(), 6)
print("zlib", zlib.decompress(packed).decode() == text)
count = collections.Counter(c for w in words for c in w)
print("count", sorted(count.items()))
print("re", len(re.findall(r"a[0-9]+f", text)))
print("sort", hashlib.md5("".join(sorted(words, key=lambda w: w[::-1])).encode()).hexdigest())
big = 1
for i in range(1, 2500):
    big *= i
print("big", hashlib.md5(hex(big).encode()).hexdigest())
results = [None] * 8
def work(slot):
    local = random.Random(slot)
    total, held = 0, []
    for i in range(4000):
        held.append(bytes(local.randrange(1, 20000)))
        if len(held) > 50:
            total += len(held.pop(local.randrange(len(held))))
    results[slot] = total
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print("threads", results)
text = None; gc.collect()
print("matrix", sum(sum(a * b for a, b in zip(r, c)) for r in [[i * j % 7 for j in range(60)] for i in range(60)]
                    for c in [[i + j for j in range(60)] for i in range(60)]))
)py";

TEST(RealPrograms, Python) {
  FIND_OR_SKIP(python, "python3");
  expect_preload_takes_effect(python);
  same_with_and_without({python, "-"}, kPython);
}

TEST(RealPrograms, PythonSubprocessesAndForks) {
  FIND_OR_SKIP(python, "python3");
  // -W: newer releases warn of fork in a process with threads, and name its number.
  same_with_and_without({python, "-W", "ignore", "-"}, R"py(
import subprocess, os, sys, threading, tempfile
stop = False
def churn():
    while not stop:
        [bytes(i * 50) for i in range(100)]
threads = [threading.Thread(target=churn) for _ in range(2)]
[t.start() for t in threads]
for i in range(10):
    print(subprocess.run([sys.executable, "-c", "print(sum(len(str(i)) for i in range(20000)))"],
                         capture_output=True, text=True).stdout.strip())
for i in range(20):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        [bytes(j) for j in range(3000)]
        os._exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
stop = True
[t.join() for t in threads]
)py");
}

// Python's own tests, where the distribution's package of them is installed. They end in how many
// ran and how many were skipped, and in how long it took, which is not compared.
void python_tests(const std::vector<std::string> &modules) {
  FIND_OR_SKIP(python, "python3");
  std::string script = "exec \"$0\" -m unittest -q", list;
  for (const std::string &module : modules)
    list += " test." + module;
  if (!run_command({{python, "-c", "import test.test_dict, test.list_tests"}, {}, "/", ""}).clean())
    SKIP_WITHOUT("libpython3.11-testsuite");
  script += list + " 2>&1 >/dev/null | sed -E 's/ in [0-9.]+s$//'";
  same_with_and_without({"/bin/sh", "-c", script, python}, "", {}, {}, "\nOK");
}

TEST(RealPrograms, PythonsOwnTests) {
  std::vector<std::string> modules = {"test_list", "test_dict", "test_re", "test_array",
                                      "test_thread"};
  if (!subject().brief)
    for (const char *module :
         {"test_memoryview", "test_deque", "test_ordered_dict", "test_functools", "test_mmap",
          "test_collections", "test_string", "test_struct"})
      modules.push_back(module);
  python_tests(modules);
}

// Only run when asked for by name (the manual target).
TEST(RealPrograms, DISABLED_PythonsOwnTestsAtLength) {
  python_tests({"test_set",     "test_bytes",      "test_json",   "test_gc",       "test_weakref",
                "test_queue",   "test_pickle",     "test_zlib",   "test_bz2",      "test_sort",
                "test_fork1",   "test_unicode",    "test_random", "test_hashlib",  "test_ast",
                "test_compile", "test_statistics", "test_buffer", "test_tempfile", "test_posix"});
}

// ---- sqlite3 ----

std::string sql_script() {
  std::ostringstream sql;
  sql << "pragma journal_mode=off; pragma synchronous=off; pragma cache_size=-20000;\n"
         "create table item(id integer primary key, name text, amount real, note blob);\n"
         "begin;\n"
         "with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)\n"
         "insert into item select i, 'name ' || (i * 7919 % 60013), (i * 37 % 1001) / 7.0,"
         " zeroblob(i % 300) from n;\n"
         "commit;\n"
         "create index by_name on item(name);\n"
         "create index by_amount on item(amount, name);\n"
         "select count(*), sum(length(note)), round(sum(amount), 3) from item;\n"
         "select name, amount from item where name like 'name 12%' order by amount desc, name "
         "limit 50;\n"
         "select substr(name, 6, 2) as k, count(*), max(id), group_concat(id % 10, '') from"
         " (select * from item order by id limit 5000) group by k order by k;\n"
         "update item set note = zeroblob(40) || name where id % 3 = 0;\n"
         "delete from item where id % 7 = 0;\n"
         "with recursive f(a, b) as (select 0, 1 union all select b, a + b from f limit 80) select "
         "max(a) from f;\n"
         "select count(*), sum(length(a.note)) from item a join item b using (id) where a.amount > "
         "50;\n"
         "vacuum;\n"
         "pragma integrity_check;\n";
  for (int i = 0; i < 300; ++i)
    sql << "select " << i << ", hex(zeroblob(" << i * 17 % 900 << ")), upper('abc" << i << "');\n";
  return sql.str();
}

TEST(RealPrograms, Sqlite) {
  FIND_OR_SKIP(sqlite, "sqlite3");
  expect_preload_takes_effect(sqlite);
  same_with_and_without({sqlite, "-batch", "test.db"}, sql_script(), {}, {"test.db"});
}

TEST(RealPrograms, SqliteInMemory) {
  FIND_OR_SKIP(sqlite, "sqlite3");
  same_with_and_without({sqlite, "-batch", ":memory:"}, sql_script());
}

// ---- the C compiler ----

std::string c_source(int functions) {
  std::ostringstream source;
  source << "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n";
  for (int i = 0; i < functions; ++i) {
    source << "struct s" << i << " { int a[" << i % 9 + 1 << "]; double d; struct s" << i
           << " *next; };\n"
           << "static double f" << i << "(struct s" << i << " *p, int n) {\n"
           << "  double sum = 0;\n  for (int i = 0; i < n && p; ++i, p = p->next) {\n"
           << "    switch (i % 5) { case 0: sum += p->d; break; case 1: sum -= p->a[0]; break;\n"
           << "    case 2: sum *= 1.5; break; default: sum += p->a[i % " << i % 9 + 1 << "] * " << i
           << "; }\n"
           << "    if (sum > " << i * 100 << ") return sum / (n + 1);\n  }\n  return sum;\n}\n"
           << "double g" << i << "(int n) { struct s" << i
           << " x; memset(&x, 0, sizeof x); x.d = n; x.next = &x;"
           << " return f" << i << "(&x, n)";
    if (i > 0)
      source << " + g" << i - 1 << "(n / 2)";
    source << "; }\n";
  }
  source << "int main(void) { printf(\"%g\\n\", g" << functions - 1 << "(50)); return 0; }\n";
  return source.str();
}

TEST(RealPrograms, CCompiler) {
  FIND_OR_SKIP(gcc, "gcc");
  const ChildEnd where = run_command({{gcc, "-print-prog-name=cc1"}, {}, "", ""});
  expect_preload_takes_effect(where.out.substr(0, where.out.find('\n')));
  const std::string source = c_source(150);
  same_with_and_without({gcc, "-O2", "-g", "-c", "big.c", "-o", "big.o"}, "",
                        [&](const std::string &folder) { write_file(folder + "/big.c", source); },
                        {"big.o"});
}

TEST(RealPrograms, CCompilerAndLinkerRun) {
  FIND_OR_SKIP(gcc, "gcc");
  const std::string source = c_source(40);
  same_with_and_without({"/bin/sh", "-c", gcc + " -O1 -pipe big.c -o big && ./big"}, "",
                        [&](const std::string &folder) { write_file(folder + "/big.c", source); },
                        {"big"});
}

// Many compilers at once, of C and, at length, of C++. The sources are those of this room.
void parallel_compile(const char *ending) {
  FIND_OR_SKIP(gcc, "gcc");
  FIND_OR_SKIP(make, "make");
  std::string objects;
  std::vector<std::string> sources;
  for (const std::string &file : subject().files) {
    const size_t dot = file.rfind('.');
    if (file.substr(dot) == ending || file.substr(dot) == ".h")
      sources.push_back(file);
    if (file.substr(dot) == ending)
      objects += " " + file.substr(file.rfind('/') + 1, dot - file.rfind('/') - 1) + ".o";
  }
  ASSERT_GT(sources.size(), 10u) << "the sources were not given";
  const auto prepare = [&](const std::string &folder) {
    const ChildEnd made =
        run_command({{"/bin/mkdir", "-p", folder + "/common/conformance/misuse"}, {}, folder, ""});
    ASSERT_TRUE(made.clean()) << made.describe();
    for (const std::string &file : sources) {
      const bool header = file.substr(file.size() - 2) == ".h";
      const bool misuse = file.find("/misuse/") != std::string::npos;
      const std::string place = !header  ? ""
                                : misuse ? "common/conformance/misuse/"
                                         : "common/conformance/";
      const ChildEnd copied =
          run_command({{"/bin/cp", file, folder + "/" + place}, {}, folder, ""});
      ASSERT_TRUE(copied.clean()) << copied.describe();
    }
    write_file(folder + "/Makefile", "all:" + objects + "\n%.o: %.c\n\t" + gcc +
                                         " -O2 -g -I. -fno-builtin -w -c $< -o $@\n" +
                                         "%.o: %.cc\n\t" + gcc +
                                         " -std=gnu++17 -O2 -g -I. -fno-builtin -w -c $< -o $@\n");
  };
  same_with_and_without({"/bin/sh", "-ec", make + " -s -j4 all && ls *.o && cat *.o | cksum"}, "",
                        prepare, {}, ".o");
}

TEST(RealPrograms, ParallelCompile) {
  parallel_compile(".c");
}

TEST(RealPrograms, DISABLED_ParallelCompileOfCxx) {
  parallel_compile(".cc");
}

// ---- redis ----

// A server under load, then what a fixed script of commands is answered. It listens in the test's
// own folder: tests beside each other, each of which may count processes from 1, must not share a
// port.
void redis(int requests) {
  FIND_OR_SKIP(server, "redis-server");
  FIND_OR_SKIP(benchmark, "redis-benchmark");
  FIND_OR_SKIP(client, "redis-cli");
  expect_preload_takes_effect(server);
  same_with_and_without({"/bin/sh", "-ec", R"sh(
server=$0 benchmark=$1 client=$2 requests=$3
"$server" --port 0 --unixsocket redis.sock --save '' --appendonly no --daemonize no --loglevel warning \
  --logfile server.log --hz 50 --activerehashing yes </dev/null &
pid=$!
trap 'kill $pid 2>/dev/null || :' EXIT
waited=0
until "$client" -s redis.sock ping >answer 2>/dev/null && grep -q PONG answer; do
  kill -0 $pid 2>/dev/null || exit 21
  waited=$((waited + 1))
  [ $waited -lt 300 ] || exit 20
  sleep 0.1
done
"$benchmark" -s redis.sock -n $requests -c 20 -r 5000 -d 200 -P 8 -q \
  -t set,get,incr,lpush,rpush,lpop,sadd,hset,zadd,lrange_100,mset >load.log 2>&1
[ $(grep -c 'requests per second' load.log) -ge 11 ] || exit 22
i=0
{
  echo flushall
  while [ $i -lt 400 ]; do
    echo "set key:$i $(printf '%0*d' $((i * 7 % 900 + 1)) $i)"
    echo "append key:$((i / 2)) tail$i"
    echo "lpush list $i"
    echo "hset hash f$i v$((i * i))"
    echo "zadd ranks $((i * 37 % 101)) m$i"
    echo "sadd set $((i % 50))"
    i=$((i + 1))
  done
  echo "lrange list 0 -1"
  echo "hgetall hash"
  echo "zrange ranks 0 -1 withscores"
  echo "strlen key:7"
  echo "scard set"
  echo "dbsize"
} | "$client" -s redis.sock | cksum
"$client" -s redis.sock shutdown nosave || :
wait $pid
trap - EXIT
)sh",
                         server, benchmark, client, std::to_string(requests)},
                        "", {}, {}, " ");
}

TEST(RealPrograms, RedisUnderItsBenchmark) {
  redis(10000);
}

TEST(RealPrograms, DISABLED_RedisUnderItsBenchmarkAtLength) {
  redis(400000);
}

// ---- git ----

TEST(RealPrograms, Git) {
  FIND_OR_SKIP(git, "git");
  expect_preload_takes_effect(git);
  same_with_and_without({"/bin/sh", "-ec", R"sh(
git init -q -b main repo; cd repo
i=0
while [ $i -lt 12 ]; do
  j=0
  while [ $j -lt 15 ]; do
    seq $((i * j)) $((i * j + 400)) > file$j.txt
    j=$((j + 1))
  done
  seq 1 $((1000 * (i + 1))) > growing.txt
  git add .; git commit -q -m "step $i"
  i=$((i + 1))
done
git checkout -q -b side HEAD~5
echo side > side.txt; git add .; git commit -q -m side
git merge -q -m merge main
git -c pack.threads=2 repack -q -a -d -f --depth=20
git fsck --full 2>&1
git log --stat --format='%H %s'
git diff HEAD~3 | sha256sum
git blame growing.txt | tail -3
git grep -c 99 | sort | head -20
git gc -q
git archive HEAD | sha256sum
git clone -q . ../copy; cd ../copy; git log -1 --format=%T
)sh"});
}

// ---- perl and lua ----

TEST(RealPrograms, Perl) {
  FIND_OR_SKIP(perl, "perl");
  expect_preload_takes_effect(perl);
  same_with_and_without({perl, "-"}, R"pl(
use strict; use warnings;
my (%h, @a); my $seed = 42;
sub rnd { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return $seed }
for my $i (0 .. 60000) { $h{"key" . rnd() % 20000} .= chr(97 + $i % 26); push @a, "x" x (rnd() % 60); }
print scalar(keys %h), " ", length(join "", @a), "\n";
print join(",", map { "$_=$h{$_}" } (sort keys %h)[0 .. 40]), "\n";
my $text = join " ", map { sprintf "%x", rnd() } 0 .. 20000;
my $n = () = $text =~ /([a-f]+)\d/g; print "$n\n";
(my $t = $text) =~ s/(\w+) (\w+)/$2 $1/g; print substr($t, 0, 200), "\n";
my @sorted = sort { $b <=> $a } map { rnd() % 100000 } 0 .. 30000; print "@sorted[0 .. 20]\n";
for my $round (0 .. 20) { my @big = (1) x 50000; $big[$_] = "s$_" for 0 .. 100; }
my $tree; $tree = { l => $tree, v => $_, d => [ 1 .. $_ % 30 ] } for 0 .. 5000;
my $sum = 0; for (my $t2 = $tree; $t2; $t2 = $t2->{l}) { $sum += $t2->{v} + @{ $t2->{d} } } print "$sum\n";
my $pid = fork; if (!$pid) { my @x = map { "c$_" } 0 .. 10000; exit 3 } waitpid $pid, 0; print $? >> 8, "\n";
)pl");
}

TEST(RealPrograms, Lua) {
  FIND_OR_SKIP(lua, "lua", "lua5.4", "lua5.3", "lua5.1", "luajit");
  expect_preload_takes_effect(lua);
  same_with_and_without({lua, "-"}, R"lua(
local seed = 7
local function rnd(n) seed = (seed * 16807) % 2147483647 return seed % n end
local t, total = {}, 0
for i = 1, 200000 do
  local k = rnd(5000)
  if t[k] and rnd(2) == 0 then total = total + #t[k]; t[k] = nil else t[k] = string.rep("x", rnd(200)) end
end
print("total", total)
local parts = {}
for i = 1, 30000 do parts[#parts + 1] = string.format("%d:%x", i, rnd(1000000)) end
local s = table.concat(parts, ",")
print(#s, s:sub(1, 60), select(2, s:gsub("[0-9a-f]+:", "")))
table.sort(parts); print(parts[1], parts[#parts])
local function tree(d) if d == 0 then return {} end return { tree(d - 1), tree(d - 1) } end
local function count(n) if not n[1] then return 1 end return 1 + count(n[1]) + count(n[2]) end
for d = 4, 15 do print(d, count(tree(d))) end
local co = coroutine.wrap(function() for i = 1, 1000 do coroutine.yield(string.rep(tostring(i), 10)) end end)
local last for i = 1, 1000 do last = co() end print(last)
for i = 1, 20 do local big = {} for j = 1, 20000 do big[j] = j end end
collectgarbage() print(collectgarbage("count") > 0)
)lua");
}

// ---- php ----

// It loads its extensions with RTLD_DEEPBIND, and they free what it allocates.
TEST(RealPrograms, Php) {
  FIND_OR_SKIP(php, "php");
  expect_preload_takes_effect(php);
  for (const char *own : {"0", "1"}) // by malloc alone, and by PHP's own heap
    same_with_and_without({"/usr/bin/env", std::string("USE_ZEND_ALLOC=") + own, php}, R"php(<?php
$items = [];
for ($i = 0; $i < 20000; $i++)
  $items[] = ["id" => $i, "name" => "item" . ($i * 7919 % 5003), "parts" => [$i, [$i + 1, str_repeat("x", $i % 90)]]];
usort($items, fn($a, $b) => strcmp($a["name"], $b["name"]) ?: $a["id"] - $b["id"]);
$text = json_encode($items);
echo "json ", strlen($text), " ", md5($text), " ", count(json_decode($text, true)), "\n";
echo "words ", count(array_count_values(preg_split("/[^a-z0-9]+/", $text))), "\n";
echo "serialized ", md5(serialize(unserialize(serialize($items)))), "\n";
echo "extensions ", count(get_loaded_extensions()) > 5, " pdo ", extension_loaded("pdo"), "\n";
)php");
}

// ---- the tools that every script uses ----

TEST(RealPrograms, Coreutils) {
  FIND_OR_SKIP(sort, "sort");
  expect_preload_takes_effect(sort);
  same_with_and_without({"/bin/sh", "-ec", R"sh(
seq 1 200000 | sort -r --parallel=2 -S 8M | head -5
seq 1 100000 | awk '{ k = $1 * 7919 % 10007; c[k]++; s[k] = s[k] $1 } END { for (i in c) n += length(s[i]); print n }'
seq 1 50000 | sed 's/\([0-9]\)\([0-9]*\)/\2\1/' | grep -E '^(12|9+).*7' | cksum
seq 1 30000 | tr '\n' ' ' | gzip -6 | gzip -d | wc
)sh"});
}

} // namespace
} // namespace conformance
