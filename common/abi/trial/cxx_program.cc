// A C++ program that links the static library, with exceptions of its own: what operator new throws
// passes through code of the library, whose view of the C++ runtime must be the program's.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

int failed;

void expect(bool holds, const char *what) {
  if (holds)
    return;
  printf("FAIL: %s\n", what);
  failed = 1;
}

size_t huge() {
  size_t bytes = SIZE_MAX - 100;
  __asm__("" : "+r"(bytes));
  return bytes;
}

void give_up() {
  throw std::runtime_error("nothing left");
}

} // namespace

int main() {
  std::vector<std::string> strings(1000, "a string that is too long to be stored in place");
  strings.push_back("one more");
  expect(strings[999].size() == 47, "ordinary use");

  bool caught = false;
  try {
    ::operator delete(::operator new(huge()));
  } catch (const std::bad_alloc &) {
    caught = true;
  }
  expect(caught, "bad_alloc is caught");

  expect(::operator new(huge(), std::nothrow) == nullptr, "nothrow without a handler");

  std::set_new_handler(give_up);
  std::string what;
  try {
    ::operator delete(::operator new(huge()));
  } catch (const std::runtime_error &e) {
    what = e.what();
  }
  expect(what == "nothing left", "what the handler throws passes through");
  expect(::operator new(huge(), std::nothrow) == nullptr, "nothrow with a handler that throws");

  puts(failed ? "failed" : "ok");
  return failed;
}
