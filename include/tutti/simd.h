/* Hot kernels in three versions, picked at run time by the CPU: one binary serves a mixed cluster. */
#ifndef TUTTI_SIMD_H
#define TUTTI_SIMD_H

/** Put before the definition of a hot, call-free, static function: compiled for AVX-512, AVX2 and the base
 * ISA. Static, and of a name that no other kernel has: clang before 18 renames what other files would call,
 * and lets other files see the resolver of a static function. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(TT_NO_CLONES)
#define TT_KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TT_KERNEL
#endif

#endif
