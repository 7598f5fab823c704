// The C++ half of a failed operator new: the program's handler and std::bad_alloc (report.h).
//
// Every reference to the C++ runtime is weak, those that the compiler makes for try and catch too:
// this object links into a C program or a preload library without one, and finds whichever runtime
// the program has (libstdc++ or libc++abi).
#include "common/abi/report.h"

#include "common/fail/fail.h"
#include "common/os/syscall.h"

#include <cstdlib>
#include <unistd.h>

__asm__(".weak __gxx_personality_v0\n"
        ".weak __cxa_begin_catch\n"
        ".weak __cxa_end_catch\n"
        ".weak _Unwind_Resume\n"
        ".weak _ZSt9terminatev\n");

extern "C" {
// std::get_new_handler()
void (*hz_cxx_get_new_handler())() __asm__("_ZSt15get_new_handlerv") __attribute__((weak));
// std::__throw_bad_alloc() of libstdc++
[[noreturn]] void hz_cxx_throw_bad_alloc() __asm__("_ZSt17__throw_bad_allocv")
    __attribute__((weak));
// The parts of `throw std::bad_alloc()`, where there is no function that does it.
void *__cxa_allocate_exception(size_t bytes) noexcept __attribute__((weak));
[[noreturn]] void __cxa_throw(void *object, void *type, void (*destroy)(void *))
    __attribute__((weak));
extern void *const hz_cxx_bad_alloc_vtable[] __asm__("_ZTVSt9bad_alloc") __attribute__((weak));
extern char hz_cxx_bad_alloc_type __asm__("_ZTISt9bad_alloc") __attribute__((weak));
void hz_cxx_bad_alloc_destroy(void *object) __asm__("_ZNSt9bad_allocD1Ev") __attribute__((weak));
}

namespace {

[[noreturn]] HZ_COLD void throw_bad_alloc(size_t bytes) {
  if (hz_cxx_throw_bad_alloc)
    hz_cxx_throw_bad_alloc();
  if (__cxa_throw && __cxa_allocate_exception && &hz_cxx_bad_alloc_type &&
      hz_cxx_bad_alloc_vtable && hz_cxx_bad_alloc_destroy) {
    // An object of a class with nothing but its table: offset to top, type, then the functions.
    void **object = static_cast<void **>(__cxa_allocate_exception(sizeof(void *)));
    *object = const_cast<void **>(hz_cxx_bad_alloc_vtable + 2);
    __cxa_throw(object, &hz_cxx_bad_alloc_type, hz_cxx_bad_alloc_destroy);
  }
  char text[160];
  hz_format(text, sizeof text,
            "out of memory: operator new of %zu bytes failed, and the program has no C++ runtime "
            "that could throw std::bad_alloc",
            bytes);
  hz_warn(text);
  abort();
}

} // namespace

extern "C" HZ_COLD bool hz_new_handler_run(size_t bytes, bool may_throw) {
  void (*handler)() = hz_cxx_get_new_handler ? hz_cxx_get_new_handler() : nullptr;
  if (!handler) {
    if (may_throw)
      throw_bad_alloc(bytes);
    return false;
  }
  if (may_throw) {
    handler();
    return true;
  }
  try {
    handler();
    return true;
  } catch (...) {
    return false; // nothrow means what it says
  }
}
