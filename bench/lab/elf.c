#include "bench/lab/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ELF_MACHINE_HERE EM_X86_64
#elif defined(__aarch64__)
#define ELF_MACHINE_HERE EM_AARCH64
#else
#error "the lab knows x86-64 and aarch64"
#endif

/* A file as mapped. Every access goes through part(), which checks the bounds. */
struct image {
  const char *bytes;
  size_t size;
};

static const void *part(const struct image *image, size_t offset, size_t bytes) {
  if (offset > image->size || bytes > image->size - offset)
    return NULL;
  return image->bytes + offset;
}

static const char *text_at(const struct image *image, const Elf64_Shdr *strings, size_t at) {
  if (at >= strings->sh_size || part(image, strings->sh_offset, strings->sh_size) == NULL)
    return "";
  const char *text = image->bytes + strings->sh_offset + at;
  return memchr(text, '\0', strings->sh_size - at) != NULL ? text : "";
}

static void read_symbols(const struct image *image, const Elf64_Shdr *sections, size_t n,
                         const Elf64_Shdr *table, struct elf_facts *facts) {
  bool malloc_here = false, free_here = false;
  const Elf64_Sym *symbols = part(image, table->sh_offset, table->sh_size);
  if (symbols == NULL || table->sh_link >= n)
    return;
  for (size_t i = 0; i < table->sh_size / sizeof *symbols; i++) {
    if (symbols[i].st_shndx == SHN_UNDEF)
      continue;
    const char *name = text_at(image, &sections[table->sh_link], symbols[i].st_name);
    malloc_here |= strcmp(name, "malloc") == 0;
    free_here |= strcmp(name, "free") == 0;
  }
  facts->has_malloc = malloc_here && free_here;
}

static void read_dynamic(const struct image *image, const Elf64_Shdr *sections, size_t n,
                         const Elf64_Shdr *table, struct elf_facts *facts) {
  const Elf64_Dyn *entries = part(image, table->sh_offset, table->sh_size);
  if (entries == NULL || table->sh_link >= n)
    return;
  for (size_t i = 0; i < table->sh_size / sizeof *entries; i++)
    if (entries[i].d_tag == DT_SONAME)
      snprintf(facts->soname, sizeof facts->soname, "%s",
               text_at(image, &sections[table->sh_link], entries[i].d_un.d_val));
}

static void read_sections(const struct image *image, const Elf64_Ehdr *head,
                          struct elf_facts *facts) {
  size_t n = head->e_shnum;
  const Elf64_Shdr *sections = part(image, head->e_shoff, n * sizeof *sections);
  if (sections == NULL || head->e_shstrndx >= n)
    return;
  for (size_t i = 0; i < n; i++) {
    const Elf64_Shdr *s = &sections[i];
    if (s->sh_type == SHT_DYNSYM)
      read_symbols(image, sections, n, s, facts);
    else if (s->sh_type == SHT_DYNAMIC)
      read_dynamic(image, sections, n, s, facts);
    else if (strcmp(text_at(image, &sections[head->e_shstrndx], s->sh_name), ".comment") == 0 &&
             part(image, s->sh_offset, s->sh_size) != NULL)
      snprintf(facts->compiler, sizeof facts->compiler, "%.*s", (int)s->sh_size,
               image->bytes + s->sh_offset);
  }
}

static const char *inspect_image(const struct image *image, struct elf_facts *facts) {
  const Elf64_Ehdr *head = part(image, 0, sizeof *head);
  if (head == NULL || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0)
    return "is not an ELF file";
  if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_machine != ELF_MACHINE_HERE)
    return "is built for another machine";
  if (head->e_type != ET_DYN && head->e_type != ET_EXEC)
    return "is not a shared object";
  facts->is_program = head->e_type == ET_EXEC;
  read_sections(image, head, facts);
  return NULL;
}

const char *elf_inspect(const char *path, struct elf_facts *facts) {
  const char *why = elf_inspect_program(path, facts);
  if (why == NULL && facts->is_program)
    return "is not a shared object";
  if (why == NULL && !facts->has_malloc)
    return "does not define malloc and free";
  return why;
}

const char *elf_inspect_program(const char *path, struct elf_facts *facts) {
  memset(facts, 0, sizeof *facts);
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? "does not exist" : strerror(errno);
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
    close(fd);
    return "is not an ELF file";
  }
  struct image image = {.size = (size_t)status.st_size};
  void *map = mmap(NULL, image.size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (map == MAP_FAILED)
    return "cannot be read";
  image.bytes = map;
  const char *why = inspect_image(&image, facts);
  munmap(map, image.size);
  return why;
}
