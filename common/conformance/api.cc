// See api.h.
#include "common/conformance/api.h"

#include <cstdlib>
#include <dlfcn.h>

extern "C" {
void free_sized(void *, size_t) __attribute__((weak));
void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));
}

// clang declares these only when asked to.
void operator delete(void *, size_t) noexcept;
void operator delete[](void *, size_t) noexcept;
void operator delete(void *, size_t, std::align_val_t) noexcept;
void operator delete[](void *, size_t, std::align_val_t) noexcept;

namespace conformance {
namespace api {
namespace {

// A linked allocator is seen by the weak reference, a preloaded one by the dynamic linker only.
template <typename Function> Function *find(Function *linked, const char *name) {
  if (linked != nullptr)
    return linked;
  return reinterpret_cast<Function *>(dlsym(RTLD_DEFAULT, name));
}

} // namespace

Opaque<void *(size_t)> malloc = ::malloc;
Opaque<void(void *)> free = ::free;
Opaque<void *(size_t, size_t)> calloc = ::calloc;
Opaque<void *(void *, size_t)> realloc = ::realloc;
Opaque<void *(void *, size_t, size_t)> reallocarray = ::reallocarray;
Opaque<int(void **, size_t, size_t)> posix_memalign = ::posix_memalign;
Opaque<void *(size_t, size_t)> aligned_alloc = ::aligned_alloc;
Opaque<void *(size_t, size_t)> memalign = ::memalign;
Opaque<void *(size_t)> valloc = ::valloc;
Opaque<void *(size_t)> pvalloc = ::pvalloc;
Opaque<size_t(void *)> malloc_usable_size = ::malloc_usable_size;
Opaque<int(size_t)> malloc_trim = ::malloc_trim;
Opaque<void()> malloc_stats = ::malloc_stats;
Opaque<int(int, FILE *)> malloc_info = ::malloc_info;
Opaque<int(int, int)> mallopt = ::mallopt;
Opaque<struct mallinfo2()> mallinfo2 = ::mallinfo2;
Opaque<void(void *, size_t)> free_sized = find(::free_sized, "free_sized");
Opaque<void(void *, size_t, size_t)> free_aligned_sized =
    find(::free_aligned_sized, "free_aligned_sized");

Opaque<void *(size_t)> op_new = ::operator new;
Opaque<void *(size_t)> op_new_array = ::operator new[];
Opaque<void *(size_t, const std::nothrow_t &)> op_new_nothrow = ::operator new;
Opaque<void *(size_t, const std::nothrow_t &)> op_new_array_nothrow = ::operator new[];
Opaque<void *(size_t, std::align_val_t)> op_new_aligned = ::operator new;
Opaque<void *(size_t, std::align_val_t)> op_new_array_aligned = ::operator new[];
Opaque<void *(size_t, std::align_val_t, const std::nothrow_t &)> op_new_aligned_nothrow =
    ::operator new;
Opaque<void *(size_t, std::align_val_t, const std::nothrow_t &)> op_new_array_aligned_nothrow =
    ::operator new[];

Opaque<void(void *)> op_delete = ::operator delete;
Opaque<void(void *)> op_delete_array = ::operator delete[];
Opaque<void(void *, size_t)> op_delete_sized = ::operator delete;
Opaque<void(void *, size_t)> op_delete_array_sized = ::operator delete[];
Opaque<void(void *, const std::nothrow_t &)> op_delete_nothrow = ::operator delete;
Opaque<void(void *, const std::nothrow_t &)> op_delete_array_nothrow = ::operator delete[];
Opaque<void(void *, std::align_val_t)> op_delete_aligned = ::operator delete;
Opaque<void(void *, std::align_val_t)> op_delete_array_aligned = ::operator delete[];
Opaque<void(void *, size_t, std::align_val_t)> op_delete_sized_aligned = ::operator delete;
Opaque<void(void *, size_t, std::align_val_t)> op_delete_array_sized_aligned = ::operator delete[];
Opaque<void(void *, std::align_val_t, const std::nothrow_t &)> op_delete_aligned_nothrow =
    ::operator delete;
Opaque<void(void *, std::align_val_t, const std::nothrow_t &)> op_delete_array_aligned_nothrow =
    ::operator delete[];

} // namespace api
} // namespace conformance
