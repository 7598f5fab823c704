// The surface under test as volatile function pointers, so that no compiler may drop, merge or
// reason about a call. Owns nothing but the pointers. Any thread may call through them.
#pragma once

#include <cstddef>
#include <cstdio>
#include <malloc.h>
#include <new>

namespace conformance {

template <typename Function> using Opaque = Function *volatile;

namespace api {

extern Opaque<void *(size_t)> malloc;
extern Opaque<void(void *)> free;
extern Opaque<void *(size_t, size_t)> calloc;
extern Opaque<void *(void *, size_t)> realloc;
extern Opaque<void *(void *, size_t, size_t)> reallocarray;
extern Opaque<int(void **, size_t, size_t)> posix_memalign;
extern Opaque<void *(size_t, size_t)> aligned_alloc;
extern Opaque<void *(size_t, size_t)> memalign;
extern Opaque<void *(size_t)> valloc;
extern Opaque<void *(size_t)> pvalloc;
extern Opaque<size_t(void *)> malloc_usable_size;
extern Opaque<int(size_t)> malloc_trim;
extern Opaque<void()> malloc_stats;
extern Opaque<int(int, FILE *)> malloc_info;
extern Opaque<int(int, int)> mallopt;
extern Opaque<struct mallinfo2()> mallinfo2;
// Null where the C library has none (glibc before 2.42) and the subject is the C library.
extern Opaque<void(void *, size_t)> free_sized;
extern Opaque<void(void *, size_t, size_t)> free_aligned_sized;

extern Opaque<void *(size_t)> op_new;
extern Opaque<void *(size_t)> op_new_array;
extern Opaque<void *(size_t, const std::nothrow_t &)> op_new_nothrow;
extern Opaque<void *(size_t, const std::nothrow_t &)> op_new_array_nothrow;
extern Opaque<void *(size_t, std::align_val_t)> op_new_aligned;
extern Opaque<void *(size_t, std::align_val_t)> op_new_array_aligned;
extern Opaque<void *(size_t, std::align_val_t, const std::nothrow_t &)> op_new_aligned_nothrow;
extern Opaque<void *(size_t, std::align_val_t, const std::nothrow_t &)>
    op_new_array_aligned_nothrow;

extern Opaque<void(void *)> op_delete;
extern Opaque<void(void *)> op_delete_array;
extern Opaque<void(void *, size_t)> op_delete_sized;
extern Opaque<void(void *, size_t)> op_delete_array_sized;
extern Opaque<void(void *, const std::nothrow_t &)> op_delete_nothrow;
extern Opaque<void(void *, const std::nothrow_t &)> op_delete_array_nothrow;
extern Opaque<void(void *, std::align_val_t)> op_delete_aligned;
extern Opaque<void(void *, std::align_val_t)> op_delete_array_aligned;
extern Opaque<void(void *, size_t, std::align_val_t)> op_delete_sized_aligned;
extern Opaque<void(void *, size_t, std::align_val_t)> op_delete_array_sized_aligned;
extern Opaque<void(void *, std::align_val_t, const std::nothrow_t &)> op_delete_aligned_nothrow;
extern Opaque<void(void *, std::align_val_t, const std::nothrow_t &)>
    op_delete_array_aligned_nothrow;

} // namespace api
} // namespace conformance
