// dlopen of the preload libraries: the next one's, without RTLD_DEEPBIND. Why: deepbind.h.
//
// A program that is linked to an allocator is built by somebody who can leave the flag out; there
// dlopen is the C library's. dlmopen into a namespace of its own brings a C library of its own, and
// is not ours to touch.
#include "common/abi/deepbind.h"

#include "common/base/bits.h"
#include "common/sync/atomic.h"

#include <dlfcn.h>

void *dlopen(const char *file, int mode);

typedef void *opener(const char *, int);

// The dlopen behind ours. Whoever asks first stores it; all find the same one, and what it points
// to was there before the process began: relaxed.
static opener *next_opener;

static HZ_COLD opener *find_next(void) {
  opener *found = (opener *)dlsym(RTLD_NEXT, "dlopen");
  hz_store_relaxed(&next_opener, found);
  return found;
}

// Result and failure: as the C library's. The last call must be a jump: the C library looks at the
// return address for the caller's RUNPATH and namespace. (A conformance test holds that.)
__attribute__((visibility("default"))) void *dlopen(const char *file, int mode) {
  opener *next = hz_load_relaxed(&next_opener);
  if (HZ_UNLIKELY(next == NULL))
    next = find_next();
  if (HZ_UNLIKELY(next == NULL))
    return NULL; // dlerror has it from dlsym
  return next(file, hz_deepbind_kept ? mode : mode & ~RTLD_DEEPBIND);
}
