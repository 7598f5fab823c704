// A shared object that loads another by a name that its own RUNPATH alone leads to, as plugins of
// plugins do.
#include <dlfcn.h>

// Stores what dlopen returns. (As a last call it would be a jump, and not this library's.)
__attribute__((visibility("default"))) void caller_load(const char *name, int flags, void **out) {
  *out = dlopen(name, flags);
}
