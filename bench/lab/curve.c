#include "bench/lab/curve.h"

#include "bench/lab/procfs.h"

#include <math.h>

void curve_open(struct curve *c, const char *path) {
  *c = (struct curve){.out = fopen(path, "we"), .rss_kib = NAN};
  if (c->out != NULL)
    fputs("t_s,rss_kib,pss_kib,lazy_free_kib,anon_huge_kib,mark\n", c->out);
}

static void put(FILE *out, double value) {
  if (isfinite(value))
    fprintf(out, "%.0f", value);
  fputc(',', out);
}

static void write_line(struct curve *c, double t_s, const struct proc_memory *m, const char *mark) {
  c->rss_kib = m->rss_kib;
  fprintf(c->out, "%.3f,", t_s);
  put(c->out, m->rss_kib);
  put(c->out, m->pss_kib);
  put(c->out, m->lazy_free_kib);
  put(c->out, m->anon_huge_kib);
  fprintf(c->out, "%s\n", mark);
}

void curve_sample(struct curve *c, pid_t pid, double t_s) {
  struct proc_memory m;
  if (c->out == NULL)
    return;
  bool deep = c->samples++ % CURVE_ROLLUP_EVERY == 0;
  if (deep ? proc_rollup(pid, &m) : proc_rss(pid, &m))
    write_line(c, t_s, &m, "");
}

void curve_mark(struct curve *c, pid_t pid, double t_s, const char *mark) {
  struct proc_memory m;
  if (c->out != NULL && proc_rollup(pid, &m))
    write_line(c, t_s, &m, mark);
}

void curve_close(struct curve *c) {
  if (c->out != NULL)
    fclose(c->out);
  c->out = NULL;
}
