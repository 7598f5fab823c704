"""Compiler options of our own code: one place, so that every room is built alike.

HZ_COPTS is for C sources, HZ_CXX_COPTS for C++ ones (tests and `operator new`); a target holds one
language. Both define the variant's macros, always, as 0 or 1.
"""

# The macros of each variant; "standard" is all zero.
HZ_VARIANT_MACROS = ["HZ_FAST", "HZ_OBSERVE", "HZ_HARDENED", "HZ_DEBUG"]

HZ_VARIANTS = ["standard", "fast", "observe", "hardened", "debug"]

def variant_defines(variant):
    """The -D options of one variant."""
    return [
        "-D%s=%d" % (macro, 1 if macro == "HZ_" + variant.upper() else 0)
        for macro in HZ_VARIANT_MACROS
    ]

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wundef",
    "-Wshadow",
    "-Werror",
]

# An allocator's own calls of malloc and free must stay calls, and nothing of it may be seen from
# outside but what the version script names. Its thread-local state lives in the static TLS block.
_ALLOCATOR = [
    "-fvisibility=hidden",
    "-ftls-model=initial-exec",
    "-fno-builtin-malloc",
    "-fno-builtin-calloc",
    "-fno-builtin-realloc",
    "-fno-builtin-free",
    "-fno-builtin-aligned_alloc",
    "-fno-builtin-memalign",
    "-fno-builtin-posix_memalign",
    "-fno-stack-protector",
    "-fomit-frame-pointer",
    "-U_FORTIFY_SOURCE",
]

_DEFINES = select(dict([
    ("//tools:variant_" + variant, variant_defines(variant))
    for variant in HZ_VARIANTS
]))

_C_WARNINGS = [
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
]

HZ_COPTS = _WARNINGS + _C_WARNINGS + _ALLOCATOR + _DEFINES

HZ_CXX_COPTS = ["-std=gnu++17"] + _WARNINGS + _ALLOCATOR + _DEFINES
