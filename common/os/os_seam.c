// The test's side of the seam (os.h): linked into tests only.
#include "common/os/os.h"

bool (*hz_os_seam)(enum hz_os_call kind, size_t bytes);

bool hz_os_seam_fails(enum hz_os_call kind, size_t bytes) {
  bool (*ask)(enum hz_os_call, size_t) = __atomic_load_n(&hz_os_seam, __ATOMIC_ACQUIRE);
  return ask && ask(kind, bytes);
}
