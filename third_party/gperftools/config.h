/* Answers to the questions of gperftools' configure, for Linux with glibc on x86-64 and aarch64.
   The archive holds no configure script, so they stand here; only what tcmalloc_minimal reads. */
#ifndef GPERFTOOLS_CONFIG_H_
#define GPERFTOOLS_CONFIG_H_

#define PACKAGE "gperftools"
#define PACKAGE_NAME PACKAGE
#define PACKAGE_TARNAME PACKAGE
#define PACKAGE_VERSION "2.10"
#define PACKAGE_STRING "gperftools 2.10"
#define VERSION PACKAGE_VERSION
#define INSTALL_PREFIX "/usr/local"

/* The compiler. */
#define HAVE_CXX11 1
#define HAVE_TLS 1
#define HAVE___ATTRIBUTE__ 1
#define HAVE___ATTRIBUTE__ALIGNED_FN 1
#define ENABLE_ALIGNED_NEW_DELETE 1
#define HAVE_UNWIND_BACKTRACE 1
#define HAVE_UNWIND_H 1
#define PERFTOOLS_DLL_DECL

/* The C library's malloc family. */
#define HAVE_DECL_CFREE 0
#define HAVE_DECL_MEMALIGN 1
#define HAVE_DECL_POSIX_MEMALIGN 1
#define HAVE_DECL_PVALLOC 1
#define HAVE_DECL_VALLOC 1
#define HAVE_MALLOC_H 1
#define HAVE_STRUCT_MALLINFO 1

/* The system. */
#define HAVE_DLFCN_H 1
#define HAVE_ELF32_VERSYM 1
#define HAVE_EXECINFO_H 1
#define HAVE_FCNTL_H 1
#define HAVE_FEATURES_H 1
#define HAVE_FORK 1
#define HAVE_GETEUID 1
#define HAVE_GLOB_H 1
#define HAVE_GRP_H 1
#define HAVE_INTTYPES_H 1
#define HAVE_LINUX_PTRACE_H 1
#define HAVE_LINUX_SIGEV_THREAD_ID 1
#define HAVE_MMAP 1
#define HAVE_POLL_H 1
#define HAVE_PROGRAM_INVOCATION_NAME 1
#define HAVE_PTHREAD 1
#define HAVE_PWD_H 1
#define HAVE_SBRK 1
#define HAVE_SCHED_H 1
#define HAVE_STDINT_H 1
#define HAVE_STDIO_H 1
#define HAVE_STDLIB_H 1
#define HAVE_STRINGS_H 1
#define HAVE_STRING_H 1
#define HAVE_SYS_CDEFS_H 1
#define HAVE_SYS_PRCTL_H 1
#define HAVE_SYS_RESOURCE_H 1
#define HAVE_SYS_SOCKET_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_SYSCALL_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_WAIT_H 1
#define HAVE_UNISTD_H 1
#define HAVE___ENVIRON 1
#define HAVE___SBRK 1
#define STDC_HEADERS 1

#ifndef __STDC_FORMAT_MACROS
#define __STDC_FORMAT_MACROS 1
#endif

#endif
