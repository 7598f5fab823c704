#include "bench/lab/machine.h"

#include "bench/lab/procfs.h"
#include "bench/lab/text.h"
#include "bench/lab/tool.h"
#include "bench/lab/where.h"

#include <gnu/libc-version.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static json_t *text_or_null(char *owned) {
  json_t *value = owned != NULL ? json_string(owned) : NULL;
  free(owned);
  return value != NULL ? value : json_null();
}

static json_t *file_or_null(const char *path) {
  return text_or_null(proc_text(path));
}

static json_t *number_or_null(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

/* Returns: what stands behind the first "key … :" of /proc/cpuinfo; ownership: the caller's. */
static char *cpu_key(const char *text, const char *key) {
  const char *line = text != NULL ? strstr(text, key) : NULL;
  const char *colon = line != NULL ? strchr(line, ':') : NULL;
  if (colon == NULL)
    return NULL;
  colon += 1 + strspn(colon + 1, " \t");
  return lab_format("%.*s", (int)strcspn(colon, "\n"), colon);
}

/* Returns: what stands behind a key of /proc/self/status; ownership: the caller's. */
static char *status_key(const char *key) {
  char *text = proc_text("/proc/self/status");
  char *value = cpu_key(text, key);
  free(text);
  return value;
}

static json_t *cpu_facts(void) {
  json_t *cpu = json_object();
  char *text = proc_text("/proc/cpuinfo");
  char *model = cpu_key(text, "model name");
  if (model == NULL)
    model = cpu_key(text, "CPU part");
  json_object_set_new(cpu, "model", text_or_null(model));
  json_object_set_new(cpu, "cache", text_or_null(cpu_key(text, "cache size")));
  json_object_set_new(cpu, "online", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
  json_object_set_new(cpu, "allowed", text_or_null(status_key("Cpus_allowed_list:")));
  json_object_set_new(cpu, "governor",
                      file_or_null("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"));
  json_object_set_new(cpu, "max_khz",
                      file_or_null("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"));
  json_object_set_new(cpu, "turbo_off",
                      file_or_null("/sys/devices/system/cpu/intel_pstate/no_turbo"));
  json_object_set_new(cpu, "smt", file_or_null("/sys/devices/system/cpu/smt/active"));
  json_object_set_new(cpu, "hypervisor", json_boolean(text != NULL && strstr(text, " hypervisor")));
  free(text);
  return cpu;
}

static json_t *memory_facts(void) {
  static const char *const keys[] = {"MemTotal", "MemAvailable", "SwapTotal", "SwapFree"};
  json_t *memory = json_object();
  char *text = proc_text("/proc/meminfo");
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    char *name = lab_format("%s_kib", keys[i]);
    json_object_set_new(memory, name, number_or_null(text ? proc_key(text, keys[i]) : NAN));
    free(name);
  }
  free(text);
  json_object_set_new(memory, "page_bytes", json_integer(sysconf(_SC_PAGESIZE)));
  json_object_set_new(memory, "huge_pages",
                      file_or_null("/sys/kernel/mm/transparent_hugepage/enabled"));
  json_object_set_new(memory, "huge_page_defrag",
                      file_or_null("/sys/kernel/mm/transparent_hugepage/defrag"));
  json_object_set_new(memory, "max_map_count", file_or_null("/proc/sys/vm/max_map_count"));
  json_object_set_new(memory, "overcommit", file_or_null("/proc/sys/vm/overcommit_memory"));
  json_object_set_new(memory, "swappiness", file_or_null("/proc/sys/vm/swappiness"));
  return memory;
}

static json_t *cgroup_facts(void) {
  static const char *const files[] = {"memory.max", "memory.high", "cpu.max", "pids.max"};
  json_t *cgroup = json_object();
  char *own = proc_text("/proc/self/cgroup");
  const char *place = own != NULL && strncmp(own, "0::", 3) == 0 ? own + 3 : "/";
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char *path = lab_format("/sys/fs/cgroup%.*s/%s", (int)strcspn(place, "\n"), place, files[i]);
    json_object_set_new(cgroup, files[i], file_or_null(path));
    free(path);
  }
  free(own);
  return cgroup;
}

/* Returns: how the measured files were built, as far as the revision does not say it: the name of
 * Bazel's configuration and the person's own settings. */
static json_t *build_facts(void) {
  json_t *build = json_object();
  const char *tree = where_source();
  char *own = tree != NULL ? lab_format("%s/user.bazelrc", tree) : NULL;
  char *self = realpath("/proc/self/exe", NULL);
  const char *out = self != NULL ? strstr(self, "/bazel-out/") : NULL;
  if (out != NULL)
    out += strlen("/bazel-out/");
  json_object_set_new(
      build, "configuration",
      text_or_null(out != NULL ? lab_format("%.*s", (int)strcspn(out, "/"), out) : NULL));
  json_object_set_new(build, "user_bazelrc", own != NULL ? file_or_null(own) : json_null());
  free(self);
  free(own);
  return build;
}

json_t *machine_facts(void) {
  json_t *machine = json_object();
  struct utsname name;
  if (uname(&name) == 0) {
    json_object_set_new(machine, "host", json_string(name.nodename));
    json_object_set_new(machine, "kernel", json_string(name.release));
    json_object_set_new(machine, "architecture", json_string(name.machine));
  }
  json_object_set_new(machine, "cpu", cpu_facts());
  json_object_set_new(machine, "memory", memory_facts());
  json_object_set_new(machine, "cgroup", cgroup_facts());
  json_object_set_new(machine, "load_average", file_or_null("/proc/loadavg"));
  json_object_set_new(machine, "perf_event_paranoid",
                      file_or_null("/proc/sys/kernel/perf_event_paranoid"));
  json_object_set_new(machine, "libc",
                      text_or_null(lab_format("glibc %s", gnu_get_libc_version())));
  json_object_set_new(machine, "build", build_facts());
  json_object_set_new(machine, "lab_compiler", json_string(__VERSION__));
#ifdef __OPTIMIZE__
  json_object_set_new(machine, "lab_optimised", json_true());
#else
  json_object_set_new(machine, "lab_optimised", json_false());
#endif
  return machine;
}

json_t *machine_revision(void) {
  const char *tree = where_source();
  char *git = tree != NULL ? tool_find("git") : NULL;
  if (git == NULL)
    return json_null();
  char *folder = lab_copy(tree);
  char *ask_head[] = {git, "-C", folder, "rev-parse", "HEAD", NULL};
  char *ask_status[] = {git, "-C", folder, "status", "--porcelain", NULL};
  char *head = tool_output(ask_head, 10);
  char *status = tool_output(ask_status, 20);
  json_t *revision = json_null();
  if (head != NULL) {
    revision = json_object();
    json_object_set_new(revision, "commit", json_string(head));
    json_object_set_new(revision, "dirty",
                        status == NULL ? json_null() : json_boolean(*status != '\0'));
  }
  free(head);
  free(status);
  free(folder);
  free(git);
  return revision;
}
