/* Hot kernels in three versions, picked at run time by the CPU: one binary serves a mixed cluster. */
#ifndef TUTTI_SIMD_H
#define TUTTI_SIMD_H

/** Put before the definition of a hot, call-free, static function: compiled for AVX-512, AVX2 and the base
 * ISA. Static, and of a name that no other kernel has: clang before 18 renames what other files would call,
 * and lets other files see the resolver of a static function. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(TT_NO_CLONES)
#define TT_KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))

/** For the version of a kernel that is written for vectors of 16 floats, to be called where TT_HAS_WIDE says
 * so; not defined where a compiler or CPU has none. */
#define TT_WIDE_KERNEL __attribute__((target("arch=x86-64-v4")))
#define TT_HAS_WIDE                                                                                          \
    (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&                             \
     __builtin_cpu_supports("avx512dq"))

/** The same for products of bytes; what is written so needs another way where these are not defined. */
#define TT_BYTE_KERNEL __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,fma")))
#define TT_HAS_BYTES   (TT_HAS_WIDE && __builtin_cpu_supports("avx512vnni"))
#else
#define TT_KERNEL
#endif

/** Unroll the loop that follows, whose trip count is a constant, so that its arrays live in registers. */
#ifdef __clang__
#define TT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TT_UNROLL _Pragma("GCC unroll 16")
#endif

#endif
